#include "report.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include <sys/stat.h>

#include <csignal>

bool is_verbose = false;

// Single inputs rather than a directory of them, or none: libFuzzer then runs each of them once.
extern "C" int LLVMFuzzerInitialize(int *argc, char ***argv) {
    for (int i = 1; i < *argc; i++) {
        struct stat status;
        if ((*argv)[i][0] != '-' && stat((*argv)[i], &status) == 0 && S_ISREG(status.st_mode)) is_verbose = true;
    }
    // Swift's own reports of crashes would come in the way of libFuzzer's, which keep the input.
    for (int signal : {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP}) std::signal(signal, SIG_DFL);
    return 0;
}

[[noreturn]] static void end(const char *call, const char *format, va_list arguments) {
    fprintf(stderr, "\n%s\nFINDING: ", call);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    abort();
}

void fail(const Call &call, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (call.status != CE_OK) fprintf(stderr, "\nthe library says: %s", ce_last_error_message());
    end(is_verbose ? "" : text_of(call).c_str(), format, arguments);
}

void fail(const std::string &call, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    end(is_verbose ? "" : call.c_str(), format, arguments);
}
