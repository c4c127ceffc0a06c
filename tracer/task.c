#include "tracer/task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE_BYTES 4096u

void task_init(struct task *task, pid_t tid) {
    *task = (struct task){.tid = tid, .memfd = -1};
}

void task_deinit(struct task *task) {
    task_memory_reset(task);
}

void task_memory_reset(struct task *task) {
    if (task->memfd >= 0)
        close(task->memfd);
    task->memfd = -1;
}

struct error *task_resume(struct task *task, enum resume how, int signo) {
    if (how == RESUME_CONT && task->watched)
        how = RESUME_SYSCALL;
    TRY(trace_resume(task->tid, how, signo));
    task->stopped = false;
    task->resumed_by = how;
    return NULL;
}

static int memory_file(struct task *task) {
    if (task->memfd < 0) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/mem", task->tid);
        task->memfd = open(path, O_RDWR | O_CLOEXEC);
    }
    return task->memfd;
}

/* Through /proc/TID/mem, which like a debugger ignores page protections. */
static size_t read_by_file(struct task *task, uint64_t address, void *ret, size_t size) {
    int fd = memory_file(task);
    size_t done = 0;
    while (fd >= 0 && done < size) {
        ssize_t got = pread(fd, (char *)ret + done, size - done, (off_t)(address + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return done;
}

size_t task_read(struct task *task, uint64_t address, void *ret, size_t size) {
    struct iovec local = {.iov_base = ret, .iov_len = size};
    struct iovec remote = {.iov_base = (void *)address, .iov_len = size};
    if (size == 0 || process_vm_readv(task->tid, &local, 1, &remote, 1, 0) == (ssize_t)size)
        return size;
    return read_by_file(task, address, ret, size);
}

struct error *task_read_exact(struct task *task, uint64_t address, void *ret, size_t size) {
    size_t got = task_read(task, address, ret, size);
    if (got == size)
        return NULL;
    return error_system(EFAULT, "memory of task %d at 0x%llx", task->tid,
                        (unsigned long long)(address + got));
}

struct error *task_write(struct task *task, uint64_t address, const void *bytes, size_t size) {
    struct iovec local = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct iovec remote = {.iov_base = (void *)address, .iov_len = size};
    if (size == 0 || process_vm_writev(task->tid, &local, 1, &remote, 1, 0) == (ssize_t)size)
        return NULL;
    int fd = memory_file(task);
    if (fd < 0)
        return error_system(errno, "memory of task %d", task->tid);
    for (size_t done = 0; done < size;) {
        ssize_t put = pwrite(fd, (const char *)bytes + done, size - done, (off_t)(address + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return error_system(put < 0 ? errno : EFAULT, "memory of task %d at 0x%llx", task->tid,
                                (unsigned long long)(address + done));
        done += (size_t)put;
    }
    return NULL;
}

static size_t read_for_reader(void *context, uint64_t address, void *ret, size_t size) {
    return task_read(context, address, ret, size);
}

struct memory_reader task_memory(struct task *task) {
    return (struct memory_reader){.read = read_for_reader, .context = task};
}
