// header - crossentropy.h as C++17 reads it: the five lines of its introduction, and the sizes that
// the contract has frozen. Prints 0.8178187; the exit status is 0 if the loss is that.
#include <crossentropy.h>

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <type_traits>

static_assert(std::is_standard_layout<ce_options>::value, "ce_options is a C struct");
static_assert(std::is_standard_layout<ce_tensor>::value, "ce_tensor is a C struct");
static_assert(offsetof(ce_options, size) == 0, "the size comes first");
static_assert(std::is_same<decltype(ce_version()), int32_t>::value, "fixed-width types");
static_assert(sizeof(void *) != 8 || offsetof(ce_options, cancel) == 216, "what the first release had is frozen");
static_assert(sizeof(void *) != 8 || offsetof(ce_outputs, row_stats) == 32, "likewise");
static_assert(sizeof(void *) != 8 || offsetof(ce_row_stats, target_rank) == 48, "likewise");
static_assert(sizeof(void *) != 8 || sizeof(ce_tensor) == 32, "frozen at the first release");

int main() {
    double  logits[2][3] = {{0.1, 0.4, 0.5}, {0.8, 0.1, 0.1}}, loss;
    int64_t labels[2] = {2, 0};
    if (ce_cross_entropy_f64(&logits[0][0], labels, 2, 3, nullptr, &loss, nullptr) != CE_OK) {
        std::fprintf(stderr, "%s\n", ce_last_error_message());
        return 1;
    }
    std::printf("%.7f\n", loss);
    return std::fabs(loss - 0.8178186621560158) < 1e-13 ? 0 : 1;
}
