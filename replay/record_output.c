/* record_output: what the recorder does about descriptors: what goes to reel's own outputs and is shown again
 * in the replay, and writes to files that are mapped. */
#include "replay/record_hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

static bool succeeded(const struct recorder *recorder) {
    return !syscall_failed(recorder->thread->call.result);
}

/* Path of a descriptor of the program, through which reel can open or stat what it refers to. */
static void fd_path(const struct recorder *recorder, uint64_t fd, char ret[64]) {
    snprintf(ret, 64, "/proc/%d/fd/%d", record_tid(recorder), (int)fd);
}

/* The file offset of a descriptor, 0 when it has none. */
static uint64_t fd_offset(const struct recorder *recorder, uint64_t fd) {
    char path[64];
    unsigned long long offset = 0;
    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", record_tid(recorder), (int)fd);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "pos: %llu", &offset) != 1)
        offset = 0;
    fclose(file);
    return offset;
}

#define MEMORY_DEVICES 1 /* major number of /dev/null and its kin */
#define KCMP_FILE_TYPE 0 /* KCMP_FILE of linux/kcmp.h */

/* How surely the program's descriptor is reel's output `own`. The very same open file is; what the program
 * writes to a /dev/null that it opened itself is not. Any other that was opened anew (/dev/stdout) leads to
 * the same reader. */
enum { OUTPUT_NOT, OUTPUT_OPENED_ANEW, OUTPUT_SAME_FILE };

static int compare_output(const struct recorder *recorder, uint64_t fd, const struct stat *info, int own) {
    const struct stat *output = &recorder->session->own_output[own - 1];
    if (!recorder->session->has_output[own - 1] || info->st_dev != output->st_dev ||
        info->st_ino != output->st_ino)
        return OUTPUT_NOT;
    long order =
        syscall(SYS_kcmp, getpid(), record_tid(recorder), KCMP_FILE_TYPE, own, (unsigned long)(int)fd);
    if (order == 0 || order == -1) /* without kcmp(2) the file has to do */
        return OUTPUT_SAME_FILE;
    return S_ISCHR(info->st_mode) && major(info->st_rdev) == MEMORY_DEVICES ? OUTPUT_NOT : OUTPUT_OPENED_ANEW;
}

static enum event_stream fd_stream(const struct recorder *recorder, uint64_t fd) {
    char path[64];
    struct stat info;
    fd_path(recorder, fd, path);
    if (stat(path, &info) < 0)
        return STREAM_NONE;
    int best = OUTPUT_NOT;
    enum event_stream found = STREAM_NONE;
    for (int own = 1; own <= 2; own++) {
        int sure = compare_output(recorder, fd, &info, own);
        if (sure > best || (sure && sure == best && own == (int)fd)) {
            best = sure;
            found = own == 1 ? STREAM_STDOUT : STREAM_STDERR;
        }
    }
    return found;
}

/* ---- writes ---- */

/* Where the bytes of a successful write went in its file. */
static uint64_t written_offset(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    switch (call->number) {
    case SYS_pwrite64:
    case SYS_pwritev:
    case SYS_pwritev2:
        if (call->number != SYS_pwritev2 || call->args[3] != (uint64_t)-1)
            return call->args[3];
        /* fallthrough */
    default: {
        uint64_t end = fd_offset(recorder, call->args[0]);
        return end > (uint64_t)call->result ? end - (uint64_t)call->result : 0;
    }
    }
}

static bool is_socket_call(uint64_t number) {
    return number == SYS_sendto || number == SYS_sendmsg || number == SYS_sendmmsg;
}

/* A write to /proc/PID/mem of its own is memory that changes without a trace. */
static bool writes_memory_file(struct recorder *recorder) {
    static dev_t proc_device;
    char path[64], target[64];
    struct stat info;
    if (!proc_device && stat("/proc", &info) == 0)
        proc_device = info.st_dev;
    fd_path(recorder, recorder->thread->call.args[0], path);
    if (stat(path, &info) < 0 || info.st_dev != proc_device)
        return false;
    ssize_t size = readlink(path, target, sizeof(target) - 1);
    target[size > 0 ? size : 0] = 0;
    if (size <= 4 || strcmp(target + size - 4, "/mem") != 0)
        return false;
    int pid = 0;
    if (sscanf(target, "/proc/%d/", &pid) == 1)
        record_shared_poked(recorder, pid);
    return true;
}

struct error *record_exit_file_write(struct recorder *recorder) {
    if (succeeded(recorder) && !is_socket_call(recorder->thread->call.number) &&
        writes_memory_file(recorder)) {
        recorder_stop(recorder, "the program writes to /proc/PID/mem, which cannot be recorded");
        return NULL;
    }
    if (!succeeded(recorder) || is_socket_call(recorder->thread->call.number))
        return NULL;
    char path[64];
    fd_path(recorder, recorder->thread->call.args[0], path);
    return record_file_written(recorder, path, written_offset(recorder),
                               (uint64_t)recorder->thread->call.result);
}

static bool opens_to_truncate(struct recorder *recorder) {
    const uint64_t *args = recorder->thread->call.args;
    uint64_t flags = 0;
    switch (recorder->thread->call.number) {
    case SYS_creat:
        return true;
    case SYS_open:
        flags = args[1];
        break;
    case SYS_openat:
        flags = args[2];
        break;
    default: /* openat2: the first field of struct open_how */
        task_read(recorder->thread->task, args[2], &flags, sizeof(flags));
    }
    return flags & O_TRUNC;
}

struct error *record_exit_open(struct recorder *recorder) {
    char path[64];
    if (!succeeded(recorder) || !opens_to_truncate(recorder))
        return NULL;
    fd_path(recorder, (uint64_t)recorder->thread->call.result, path);
    return record_file_written(recorder, path, 0, UINT64_MAX / 2);
}

/* The file that truncate(2) names, as seen from here: the program may have another root or working folder. */
static struct error *truncated_path(struct recorder *recorder, char *ret, size_t size) {
    char name[4096];
    size_t got = task_read(recorder->thread->task, recorder->thread->call.args[0], name, sizeof(name) - 1);
    name[got] = 0;
    snprintf(ret, size, "/proc/%d/%s/%s", record_tid(recorder), name[0] == '/' ? "root" : "cwd", name);
    return NULL;
}

struct error *record_exit_file_resize(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    if (!succeeded(recorder))
        return NULL;
    char path[4200];
    if (call->number == SYS_truncate)
        TRY(truncated_path(recorder, path, sizeof(path)));
    else
        fd_path(recorder, call->args[0], path);
    /* fallocate may punch or move: everything from its offset on may differ */
    uint64_t offset = call->number == SYS_fallocate ? call->args[2] : call->args[1];
    return record_file_written(recorder, path, offset, UINT64_MAX / 2);
}

/* Which argument is the descriptor that bytes go to, and the one that they come from. */
static unsigned transfer_target(uint64_t number) {
    return number == SYS_sendfile || number == SYS_vmsplice ? 0 : number == SYS_tee ? 1 : 2;
}

static unsigned transfer_source(uint64_t number) {
    return number == SYS_sendfile ? 1 : 0;
}

/* Can the source be read once more and give the same? Devices, pipes and the kernel's own files cannot. */
static bool reads_again(const struct recorder *recorder) {
    char path[64];
    struct stat info;
    struct statfs system;
    fd_path(recorder, recorder->thread->call.args[transfer_source(recorder->thread->call.number)], path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool again = fd >= 0 && fstat(fd, &info) == 0 && fstatfs(fd, &system) == 0 && S_ISREG(info.st_mode) &&
                 info.st_size > 0 && system.f_type != PROC_SUPER_MAGIC && system.f_type != SYSFS_MAGIC;
    if (fd >= 0)
        close(fd);
    return again;
}

/* splice and tee take their bytes out of a pipe, where reel cannot look: to its own outputs they are refused
 * as on a file that cannot be spliced, and programs fall back to read and write. */
struct error *record_entry_transfer(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    enum event_stream stream = fd_stream(recorder, call->args[transfer_target(call->number)]);
    if (stream == STREAM_NONE)
        return NULL;
    bool by_file = call->number == SYS_sendfile || call->number == SYS_copy_file_range;
    if (call->number != SYS_vmsplice && !(by_file && reads_again(recorder))) {
        recorder->thread->refused = true;
        return NULL;
    }
    recorder->thread->offset_before = 0;
    uint64_t pointer = call->number == SYS_sendfile ? call->args[2] : call->args[1];
    if (call->number == SYS_vmsplice)
        return NULL;
    if (pointer)
        task_read(recorder->thread->task, pointer, &recorder->thread->offset_before,
                  sizeof(recorder->thread->offset_before));
    else
        recorder->thread->offset_before = fd_offset(recorder, call->args[transfer_source(call->number)]);
    return NULL;
}

/* The bytes that went to the output without passing through memory, read again from where they came. */
static struct error *show_transfer(struct recorder *recorder, uint64_t size) {
    char path[64];
    fd_path(recorder, recorder->thread->call.args[transfer_source(recorder->thread->call.number)], path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *bytes = fd >= 0 ? malloc(size ? size : 1) : NULL;
    ssize_t got = bytes ? pread(fd, bytes, size, (off_t)recorder->thread->offset_before) : -1;
    struct error *err = NULL;
    if (got == (ssize_t)size)
        err = effects_add(&recorder->effects, EFFECT_SHOW, 0, 0, bytes, size);
    else
        recorder_stop(recorder, "%s: what it wrote cannot be read again", recorder->thread->row->name);
    free(bytes);
    if (fd >= 0)
        close(fd);
    return err;
}

struct error *record_exit_transfer(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    uint64_t target = call->args[transfer_target(call->number)];
    if (!succeeded(recorder) || call->result == 0)
        return NULL;
    if (call->number != SYS_vmsplice && fd_stream(recorder, target) != STREAM_NONE)
        TRY(show_transfer(recorder, (uint64_t)call->result));
    char path[64];
    fd_path(recorder, target, path);
    return record_file_written(recorder, path, 0, UINT64_MAX / 2);
}

static bool shows_output(const struct recorder *recorder) {
    if (!recorder->thread->row || !succeeded(recorder))
        return false;
    return recorder->thread->row->handler == HANDLER_FILE_WRITE ||
           recorder->thread->row->handler == HANDLER_FILE_TRANSFER;
}

enum event_stream record_output_stream(const struct recorder *recorder) {
    if (!shows_output(recorder))
        return STREAM_NONE;
    const struct syscall_call *call = &recorder->thread->call;
    bool transfer = recorder->thread->row->handler == HANDLER_FILE_TRANSFER;
    return fd_stream(recorder, call->args[transfer ? transfer_target(call->number) : 0]);
}
