#include <errno.h>
#include <fcntl.h>

#include "Shims.h"

// The CPU quota of control groups, see cgroups(7). A container that may use two processors of 64 sees all 64 of them in
// its affinity mask, and with more than two threads it would be stopped for most of each period. Files are read without
// stdio, which allocates.

enum { PATH_BYTES = 1024, LINE_BYTES = 4096 };

typedef struct lines {
    int    file;
    size_t begin, end;  // of what has been read and not yet returned
    char   text[LINE_BYTES];
} lines;

static bool open_lines(lines *lines, const char *directory, const char *name) {
    char path[2 * PATH_BYTES];
    int  length = snprintf(path, sizeof path, "%s/%s", directory, name);
    lines->begin = lines->end = 0;
    lines->file = length > 0 && (size_t)length < sizeof path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    return lines->file >= 0;
}

// The next line, which may be changed, or NULL. One that does not fit is passed over.
static char *next_line(lines *lines) {
    bool is_whole = true;
    while (true) {
        char  *start = lines->text + lines->begin;
        size_t length = lines->end - lines->begin;
        char  *newline = memchr(start, '\n', length);
        if (newline != NULL) {
            *newline = 0;
            lines->begin = (size_t)(newline + 1 - lines->text);
            if (is_whole) return start;
            is_whole = true;
            continue;
        }
        if (length == sizeof lines->text) {
            is_whole = false;
            length = 0;
        }
        memmove(lines->text, start, length);
        ssize_t count = read(lines->file, lines->text + length, sizeof lines->text - length);
        lines->begin = 0;
        lines->end = length + (count > 0 ? (size_t)count : 0);
        if (count <= 0) return NULL;
    }
}

// Cuts a line at its spaces. Returns whether it has so many fields.
static bool cut(char *line, char *fields[], int count) {
    for (int i = 0; i < count; i++) {
        if (line == NULL || *line == 0) return false;
        fields[i] = line;
        line = strchr(line, ' ');
        if (line != NULL) *line++ = 0;
    }
    return true;
}

// A positive number of at most 15 digits; 0 for anything else, such as "max" and "-1".
static int64_t number(const char *text) {
    int64_t value = 0;
    size_t  digits = strspn(text, "0123456789");
    if (text[digits] != 0 || digits > 15) return 0;
    for (; *text != 0; text++) value = value * 10 + (*text - '0');
    return value;
}

// The first `count` fields of a file as numbers.
static void read_numbers(const char *directory, const char *name, int64_t numbers[], int count) {
    lines lines;
    char *line, *fields[2];
    memset(numbers, 0, (size_t)count * sizeof numbers[0]);
    if (!open_lines(&lines, directory, name)) return;
    if ((line = next_line(&lines)) != NULL && cut(line, fields, count))
        for (int i = 0; i < count; i++) numbers[i] = number(fields[i]);
    close(lines.file);
}

// The processors that one group's quota amounts to, rounded up; INT32_MAX without one.
static int32_t quota_of_group(const char *directory, bool is_v2) {
    int64_t times[2];  // what may be used of a period, and the period
    if (is_v2) {
        read_numbers(directory, "cpu.max", times, 2);
    } else {
        read_numbers(directory, "cpu.cfs_quota_us", times, 1);
        read_numbers(directory, "cpu.cfs_period_us", times + 1, 1);
    }
    if (times[0] == 0 || times[1] == 0) return INT32_MAX;
    int64_t processors = (times[0] - 1) / times[1] + 1;
    return processors < INT32_MAX ? (int32_t)processors : INT32_MAX;
}

// Whether a list with commas between its names has this one.
static bool has_name(const char *list, const char *name) {
    while (true) {
        size_t length = strcspn(list, ",");
        if (length == strlen(name) && strncmp(list, name, length) == 0) return true;
        if (list[length] == 0) return false;
        list += length + 1;
    }
}

// /proc/self/mountinfo has spaces and the like as a backslash and three octal digits.
static void unescape(char *text) {
    char *to = text;
    for (const char *from = text; *from != 0; to++) {
        bool is_escape = from[0] == '\\' && strspn(from + 1, "01234567") >= 3;
        *to = is_escape ? (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0')) : from[0];
        from += is_escape ? 4 : 1;
    }
    *to = 0;
}

// The least quota of a group and of its parents, up to the one that is mounted. `group` is the path of the process's
// group in its hierarchy, `top` that of the group that is mounted at `mount`.
static int32_t quota_of_hierarchy(const char *root, const char *mount, const char *top, const char *group, bool is_v2) {
    size_t above = strcmp(top, "/") == 0 ? 0 : strlen(top);
    bool   is_within = strncmp(group, top, above) == 0 && (group[above] == '/' || group[above] == 0);
    // Of a group outside of what is mounted or of the process's namespace ("/.."), nothing but the mounted one is seen.
    const char *below = is_within && strstr(group, "/..") == NULL && strcmp(group, "/") != 0 ? group + above : "";
    char        path[3 * PATH_BYTES];
    int         length = snprintf(path, sizeof path, "%s%s%s", root, mount, below);
    if (length <= 0 || (size_t)length >= sizeof path) return INT32_MAX;
    size_t  shortest = strlen(root) + strlen(mount);
    int32_t least = INT32_MAX;
    while (true) {
        int32_t quota = quota_of_group(path, is_v2);
        if (quota < least) least = quota;
        char *last = strrchr(path, '/');
        if (last == NULL || (size_t)(last - path) < shortest) return least;
        *last = 0;
    }
}

int32_t crossentropy_cpu_quota(const char *root) {
    lines   lines;
    char   *line, *first[5], *second[3];
    char    groups[2][PATH_BYTES] = {"", ""};  // of versions 1 and 2; a machine may have both
    int     before = errno, cancellation = shim_disable_cancellation();
    int32_t least = INT32_MAX;
    if (open_lines(&lines, root, "proc/self/cgroup")) {
        while ((line = next_line(&lines)) != NULL) {  // 4:cpu,cpuacct:/group or 0::/group
            char *controllers = strchr(line, ':'), *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
            if (group == NULL || strlen(group + 1) >= PATH_BYTES) continue;
            *group = 0;
            bool is_v2 = controllers[1] == 0;
            if (is_v2 || has_name(controllers + 1, "cpu")) strcpy(groups[is_v2], group + 1);
        }
        close(lines.file);
    }
    if (open_lines(&lines, root, "proc/self/mountinfo")) {
        while ((line = next_line(&lines)) != NULL) {  // 32 31 0:29 /top /mount rw ... - cgroup cgroup rw,cpu
            char *middle = strstr(line, " - ");
            if (middle == NULL) continue;
            *middle = 0;
            if (!cut(line, first, 5) || !cut(middle + 3, second, 3)) continue;
            bool is_v2 = strcmp(second[0], "cgroup2") == 0;
            if (!is_v2 && (strcmp(second[0], "cgroup") != 0 || !has_name(second[2], "cpu"))) continue;
            if (groups[is_v2][0] == 0) continue;
            unescape(first[3]);
            unescape(first[4]);
            int32_t quota = quota_of_hierarchy(root, first[4], first[3], groups[is_v2], is_v2);
            if (quota < least) least = quota;
        }
        close(lines.file);
    }
    shim_restore_cancellation(cancellation);
    errno = before;
    return least;
}
