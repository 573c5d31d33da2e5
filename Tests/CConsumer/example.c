/* example - the five lines of crossentropy.h as a program. Prints 0.8178187. */
#include <crossentropy.h>

#include <stdio.h>

int main(void) {
    double  logits[2][3] = {{0.1, 0.4, 0.5}, {0.8, 0.1, 0.1}}, loss;
    int64_t labels[2]    = {2, 0};
    if (ce_cross_entropy_f64(&logits[0][0], labels, 2, 3, NULL, &loss, NULL) != CE_OK) {
        fprintf(stderr, "%s\n", ce_last_error_message());
        return 1;
    }
    printf("%.7f\n", loss);
    return 0;
}
