/*
 * numbers - checks how messages write numbers: as short as they can be and still be that number, whatever the locale.
 *
 * LOCPATH may lead to locales with a decimal comma; one of the program's own is tried in any case. Prints the checks that fail,
 * then "N passed, M failed"; the exit status is 0 if M is 0.
 */
#include <locale.h>
#include <stdarg.h>

#include "calls.h"
#include "common.h"

/* A locale whose decimal point is a comma, whether or not the system has one -------------------------------------- */

/* The library finds these in place of the C library's. */
static int has_comma;

int snprintf(char *restrict text, size_t size, const char *restrict format, ...) {
    va_list arguments;
    int     length;
    char   *c;
    va_start(arguments, format);
    length = vsnprintf(text, size, format, arguments);
    va_end(arguments);
    for (c = text; has_comma && size > 0 && *c != '\0'; c++)
        if (*c == '.')
            *c = ',';
    return length;
}

double strtod(const char *restrict text, char **restrict end) {
    char   copy[128];
    double value = 0;
    int    length = 0;
    char  *c;
    strncpy(copy, text, sizeof copy - 1);
    copy[sizeof copy - 1] = '\0';
    for (c = copy; has_comma && *c != '\0'; c++)
        *c = *c == ',' ? '.' : *c == '.' ? '\0' : *c;
    sscanf(copy, "%lf%n", &value, &length);
    if (end != NULL)
        *end = (char *)(size_t)(text + length);
    return value;
}

/* Numbers in messages --------------------------------------------------------------------------------------------- */

static void number_is(double value, const char *text) {
    static const float   logits[2] = {0, 0};
    static const int64_t label[1] = {0};
    ce_options           options = defaults();
    float                loss;
    char                 want[128];
    options.label_smoothing = value;
    sprintf(want, "ce_cross_entropy_f32: label_smoothing is %s; it must be between 0 and 1", text);
    if (!count_check(ce_cross_entropy_f32(logits, label, 1, 2, &options, &loss, NULL) == CE_ERROR_OPTION &&
                     strcmp(ce_last_error_message(), want) == 0))
        printf("FAIL: \"%s\" instead of \"%s\"\n", ce_last_error_message(), want);
}

static void numbers(void) {
    number_is(-1, "-1");
    number_is(1.5, "1.5");
    number_is(-0.1, "-0.1");
    number_is(0.1 + 0.2 + 1, "1.3");
    number_is(-(0.1 + 0.2), "-0.30000000000000004");
    number_is(-1.0 / 3, "-0.3333333333333333");
    number_is(1234567.875, "1234567.875");
    number_is(100000, "100000");
    number_is(1e15, "1000000000000000");
    number_is(1e16, "1e+16");
    number_is(-0.0001, "-0.0001");
    number_is(-0.00001234, "-1.234e-05");
    number_is(1.7976931348623157e308, "1.7976931348623157e+308");
    number_is(-2.2250738585072014e-308, "-2.2250738585072014e-308");
    number_is(-5e-324, "-5e-324");
    number_is(INFINITY, "inf");
    number_is(-INFINITY, "-inf");
    number_is(NAN, "nan");
}

static void numbers_in_locales(void) {
    static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8", "nl_NL.UTF-8", "ru_RU.UTF-8",
                                          "ps_AF.UTF-8", "ps_AF"};
    size_t                   i;
    int                      tried = 0;
    char                     text[8];
    numbers();
    has_comma = 1;
    snprintf(text, sizeof text, "%.1f", 0.5);
    if (strcmp(text, "0,5") != 0 || strtod("0,5", NULL) != 0.5 || strtod("0.5", NULL) != 0)
        failed++, printf("FAIL: the decimal comma of this program does not work\n");
    numbers();
    has_comma = 0;
    for (i = 0; i < LENGTH_OF(locales); i++) {
        if (setlocale(LC_NUMERIC, locales[i]) == NULL)
            continue;
        tried++;
        numbers();
    }
    setlocale(LC_NUMERIC, "C");
    if (tried == 0)
        printf("note: this system has no locale with another decimal point; only this program's own was tried\n");
}

int main(void) {
    numbers_in_locales();
    return tally();
}
