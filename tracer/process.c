#include "tracer/process.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* /proc/PID/status is below 2 KB; a longer one is cut, which costs its last lines. */
#define STATUS_MAX 8192

static const char *value_of(const char *line, const char *key) {
    size_t length = strlen(key);
    if (strncmp(line, key, length) || line[length] != ':')
        return NULL;
    line += length + 1;
    return line + strspn(line, "\t ");
}

static void parse_line(const char *line, struct process_status *ret) {
    const char *value;
    if ((value = value_of(line, "Name")))
        snprintf(ret->name, sizeof(ret->name), "%s", value);
    else if ((value = value_of(line, "State")))
        ret->state = *value;
    else if ((value = value_of(line, "Tgid")))
        ret->tgid = (pid_t)strtol(value, NULL, 10);
    else if ((value = value_of(line, "NStgid")))
        ret->is_init = strrchr(value, '\t') ? !strcmp(strrchr(value, '\t'), "\t1") : !strcmp(value, "1");
    else if ((value = value_of(line, "NSpid")))
        ret->inner_tid = (pid_t)strtol(strrchr(value, '\t') ? strrchr(value, '\t') : value, NULL, 10);
    else if ((value = value_of(line, "TracerPid")))
        ret->tracer = (pid_t)strtol(value, NULL, 10);
    else if ((value = value_of(line, "Uid")))
        ret->uid = (uid_t)strtoul(value, NULL, 10);
    else if ((value = value_of(line, "Threads")))
        ret->threads = strtoul(value, NULL, 10);
    else if ((value = value_of(line, "Seccomp")))
        ret->has_filter = *value == '2';
    else if (value_of(line, "VmSize"))
        ret->has_memory = true;
    else if ((value = value_of(line, "SigCgt")))
        ret->caught = strtoull(value, NULL, 16);
    else if ((value = value_of(line, "SigIgn")))
        ret->ignored = strtoull(value, NULL, 16);
    else if ((value = value_of(line, "SigPnd")))
        ret->pending = strtoull(value, NULL, 16);
    else if ((value = value_of(line, "x86_Thread_features")))
        ret->has_shadow_stack = strstr(value, "shstk") != NULL;
}

struct error *process_status(pid_t pid, struct process_status *ret) {
    char path[64], text[STATUS_MAX];
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    int errnum = errno;
    if (fd >= 0)
        close(fd);
    if (size < 0 && (errnum == ENOENT || errnum == ESRCH))
        return error_new(ERROR_NOT_FOUND, "process %d: no such process", pid);
    if (size < 0)
        return error_system(errnum, "%s", path);
    text[size] = 0;
    *ret = (struct process_status){0};
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));)
        parse_line(line, ret);
    return NULL;
}

enum disposition process_disposition(const struct process_status *status, int signo) {
    uint64_t bit = 1ull << (signo - 1);
    if (status->caught & bit)
        return DISPOSITION_HANDLED;
    bool spared = status->is_init && signo != SIGKILL && signo != SIGSTOP;
    if (spared || status->ignored & bit || signo == SIGCHLD || signo == SIGCONT || signo == SIGURG ||
        signo == SIGWINCH)
        return DISPOSITION_IGNORED;
    if (signo == SIGSTOP || signo == SIGTSTP || signo == SIGTTIN || signo == SIGTTOU)
        return DISPOSITION_STOPS;
    return DISPOSITION_FATAL;
}

/* The field behind the name, which may hold anything (proc(5)). The task's own file is cheaper than that of
 * its process, which counts what all threads have used. */
char process_state(pid_t tid) {
    char path[64], text[256];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", tid, tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[size > 0 ? size : 0] = 0;
    const char *at = strrchr(text, ')');
    return at && at[1] == ' ' ? at[2] : 0;
}

bool process_is_ended(pid_t pid) {
    struct process_status status;
    struct error *err = process_status(pid, &status);
    bool is_ended = error_is(err, ERROR_NOT_FOUND) || (!err && (status.state == 'Z' || status.state == 'X'));
    error_free(err);
    return is_ended;
}

pid_t process_inner_tid(pid_t tid) {
    struct process_status status;
    struct error *err = process_status(tid, &status);
    pid_t ret = err ? 0 : status.inner_tid;
    error_free(err);
    return ret;
}

static ssize_t read_namespace(pid_t tid, const char *kind, char *ret, size_t size) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/%s", tid, kind);
    return readlink(path, ret, size);
}

bool process_same_namespace(pid_t one, pid_t other, const char *kind) {
    char first[64], second[64];
    ssize_t size = read_namespace(one, kind, first, sizeof(first));
    ssize_t size2 = read_namespace(other, kind, second, sizeof(second));
    return size <= 0 || size2 <= 0 || (size == size2 && !memcmp(first, second, (size_t)size));
}

bool process_is_32_bit(pid_t pid) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/exe", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    unsigned char ident[EI_NIDENT] = {0};
    bool is_32_bit = read(fd, ident, sizeof(ident)) == (ssize_t)sizeof(ident) &&
                     !memcmp(ident, ELFMAG, SELFMAG) && ident[EI_CLASS] == ELFCLASS32;
    close(fd);
    return is_32_bit;
}
