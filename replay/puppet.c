#include "replay/puppet.h"

#include "tracer/maps.h"
#include "tracer/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE     4096ull
#define USER_END 0x7ffffffff000ull
/* Keep this much of an unlimited stack: more than any program of this world grows to. */
#define STACK_MOST (1ull << 36)

static uint64_t page_up(uint64_t value) {
    return (value + PAGE - 1) & ~(PAGE - 1);
}

/* ---- birth ---- */

/* What the kernel would still do to this process by itself must end before its memory becomes the program's:
 * the rseq area and the robust list are written by the kernel, an unregistered rseq area that is unmapped
 * kills. */
static void leave_libc(void) {
    if (__rseq_size) {
        char *area = (char *)__builtin_thread_pointer() + __rseq_offset;
        syscall(SYS_rseq, area, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
    }
    syscall(SYS_set_robust_list, NULL, 24);
    syscall(SYS_set_tid_address, NULL);
}

static void reset_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    for (int signo = 1; signo < NSIG; signo++)
        signal(signo, SIG_DFL);
    sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child_main(void) {
    struct rlimit no_core = {0};
    reset_signals();
    setpgid(0, 0); /* what is typed at the terminal is for reel */
    setrlimit(RLIMIT_CORE, &no_core);
    if (trace_me() < 0)
        _exit(125);
    leave_libc();
    syscall(SYS_kill, syscall(SYS_getpid), SIGSTOP);
    _exit(125); /* never reached: the replayer moves the task elsewhere */
}

static struct error *wait_for_birth(pid_t pid) {
    int status;
    while (waitpid(pid, &status, __WALL) < 0)
        if (errno != EINTR)
            return error_system(errno, "puppet");
    if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP)
        return trace_set_options(pid);
    return error_hint(error_new(ERROR_OTHER, "puppet: could not be traced"),
                      "ptrace may be forbidden here: see `reel doctor`");
}

/* Map the stub page with the syscall instruction that the child stands behind, then drop everything else. */
static struct error *empty_address_space(struct task *task) {
    static const uint8_t code[] = {0x0f, 0x05, 0xcc}; /* syscall; int3 */
    struct user_regs_struct regs;
    TRY(trace_get_registers(task->tid, &regs));
    uint64_t own = regs.rip - 2;
    int64_t result;
    TRY(REMOTE_SYSCALL(task, own, SYS_mmap, &result, PUPPET_STUB, PUPPET_STUB_SIZE, PROT_READ | PROT_EXEC,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, (uint64_t)-1, 0));
    if (result != (int64_t)PUPPET_STUB)
        return error_system((int)-result, "puppet: mapping the stub page");
    TRY(task_write(task, PUPPET_STUB, code, sizeof(code)));
    TRY(REMOTE_SYSCALL(task, PUPPET_STUB, SYS_munmap, &result, 0, PUPPET_STUB, 0, 0, 0, 0));
    if (result == 0)
        TRY(REMOTE_SYSCALL(task, PUPPET_STUB, SYS_munmap, &result, PUPPET_STUB + PUPPET_STUB_SIZE,
                           USER_END - PUPPET_STUB - PUPPET_STUB_SIZE, 0, 0, 0, 0));
    return result ? error_system((int)-result, "puppet: emptying its memory") : NULL;
}

/* tid is the next one of the puppet's tasks. */
static struct error *keep_task(struct puppet *puppet, pid_t tid, struct task **ret) {
    if (puppet->task_count == puppet->task_room) {
        size_t room = puppet->task_room ? puppet->task_room * 2 : 4;
        struct task **tasks = realloc(puppet->tasks, room * sizeof(*tasks));
        if (!tasks)
            return &error_no_memory;
        puppet->tasks = tasks;
        puppet->task_room = room;
    }
    struct task *task = malloc(sizeof(*task));
    if (!task)
        return &error_no_memory;
    task_init(task, tid);
    task->stopped = true;
    task->index = puppet->task_count;
    puppet->tasks[puppet->task_count++] = task;
    *ret = task;
    return NULL;
}

static void wait_for_end(pid_t tid) {
    while (waitpid(tid, NULL, __WALL) < 0 && errno == EINTR)
        ;
}

static void drop_task(struct puppet *puppet, struct task *task) {
    puppet->tasks[task->index] = puppet->tasks[--puppet->task_count];
    puppet->tasks[task->index]->index = task->index;
    task_deinit(task);
    free(task);
}

/* It has nothing but its files yet. */
static struct error *create(struct puppet *puppet) {
    puppet->files->users++;
    pid_t pid = (pid_t)syscall(SYS_clone, (unsigned long)(CLONE_FILES | SIGCHLD), NULL, NULL, NULL, 0);
    if (pid == 0)
        child_main();
    struct error *err = pid < 0 ? error_system(errno, "puppet") : keep_task(puppet, pid, &puppet->task);
    if (err) {
        if (pid > 0)
            kill(pid, SIGKILL);
        if (pid > 0)
            wait_for_end(pid);
        puppet_destroy(puppet);
        return err;
    }
    puppet->alive = true;
    err = wait_for_birth(pid);
    if (!err)
        err = empty_address_space(puppet->task);
    if (err)
        puppet_destroy(puppet);
    return err;
}

struct error *puppet_create(struct puppet *puppet, int filesfd) {
    *puppet = (struct puppet){.filesfd = filesfd, .files = calloc(1, sizeof(*puppet->files))};
    return puppet->files ? create(puppet) : &error_no_memory;
}

struct error *puppet_create_beside(struct puppet *puppet, const struct puppet *other) {
    *puppet = (struct puppet){.filesfd = other->filesfd, .files = other->files};
    return create(puppet);
}

void puppet_end_twin(struct task *task) {
    kill(task->tid, SIGKILL);
    wait_for_end(task->tid);
    task_deinit(task);
}

/* The first task is the leader of the process, whose end is reported last. */
static void end_tasks(struct puppet *puppet) {
    if (puppet->alive)
        kill(puppet->tasks[0]->tid, SIGKILL);
    while (puppet->task_count) {
        struct task *task = puppet->tasks[puppet->task_count - 1];
        if (puppet->alive)
            wait_for_end(task->tid);
        drop_task(puppet, task);
    }
}

static void leave_files(struct puppet_files *files) {
    if (!files || --files->users)
        return;
    for (size_t i = 0; i < files->count; i++) {
        if (files->list[i].fd >= 0)
            close(files->list[i].fd);
        if (files->list[i].copy >= 0)
            close(files->list[i].copy);
    }
    for (size_t i = 0; i < files->segment_count; i++)
        close(files->segments[i].fd);
    free(files->list);
    free(files->segments);
    free(files);
}

void puppet_destroy(struct puppet *puppet) {
    end_tasks(puppet);
    free(puppet->tasks);
    leave_files(puppet->files);
    memset(puppet, 0, sizeof(*puppet));
}

/* ---- threads ---- */

/* clone(2) without all that would make the kernel write to memory: the recorded writes do that. */
#define THREAD_FLAGS                                                                                         \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD | CLONE_PTRACE)

struct error *puppet_add_task(struct puppet *puppet, struct task **ret) {
    int64_t tid;
    int status;
    struct task *task;
    TRY(REMOTE_SYSCALL(puppet->task, PUPPET_STUB, SYS_clone, &tid, THREAD_FLAGS, 0, 0, 0, 0, 0));
    if (tid < 0)
        return error_system((int)-tid, "puppet: making a thread");
    while (waitpid((pid_t)tid, &status, __WALL) < 0) /* it stands at the SIGSTOP that CLONE_PTRACE brings */
        if (errno != EINTR)
            return error_system(errno, "puppet: waiting for a thread");
    if (!WIFSTOPPED(status))
        return error_system(ESRCH, "puppet: thread %d", (int)tid);
    TRY(trace_set_sigmask((pid_t)tid, 0));
    TRY(keep_task(puppet, (pid_t)tid, &task));
    *ret = task;
    return NULL;
}

struct error *puppet_end_task(struct puppet *puppet, struct task *task) {
    int64_t result;
    if (task == puppet->tasks[0])
        return NULL;
    struct error *err = REMOTE_SYSCALL(task, PUPPET_STUB, SYS_exit, &result, 0, 0, 0, 0, 0, 0);
    if (!error_is(err, ERROR_TASK_GONE)) {
        error_free(err);
        return error_new(ERROR_OTHER, "puppet: a thread does not end");
    }
    error_free(err);
    wait_for_end(task->tid);
    drop_task(puppet, task);
    return NULL;
}

/* ---- twins ---- */

/* Writable memory that a fork would share. */
static struct error *check_unshared(struct task *task) {
    struct maps maps;
    bool shared = false;
    TRY(maps_read(task->tid, &maps));
    for (size_t i = 0; i < maps.count; i++)
        shared = shared || maps.mappings[i].shared;
    maps_deinit(&maps);
    return shared ? error_new(ERROR_UNSUPPORTED, "puppet: memory is shared") : NULL;
}

/* Fork the task. CLONE_PTRACE makes the twin a tracee, with a stop before it runs, and CLONE_PARENT a child
 * of reel. */
static struct error *fork_task(struct task *task, struct task *ret) {
    const uint64_t flags = CLONE_PARENT | CLONE_FILES | CLONE_PTRACE | SIGCHLD;
    struct user_regs_struct regs;
    int64_t result;
    uint64_t mask;
    TRY(trace_get_registers(task->tid, &regs));
    TRY(trace_get_sigmask(task->tid, &mask));
    TRY(REMOTE_SYSCALL(task, PUPPET_STUB, SYS_clone, &result, flags, 0, 0, 0, 0, 0));
    if (result < 0)
        return error_system((int)-result, "puppet: a copy of it");
    struct task twin;
    task_init(&twin, (pid_t)result);
    twin.stopped = true;
    struct error *err = wait_for_birth(twin.tid);
    regs.orig_rax = (unsigned long long)-1;
    if (!err)
        err = trace_set_registers(twin.tid, &regs);
    if (!err)
        err = trace_set_sigmask(twin.tid, mask);
    if (err)
        puppet_end_twin(&twin);
    else
        *ret = twin;
    return err;
}

struct error *puppet_fork(struct puppet *puppet, struct task *ret) {
    TRY(check_unshared(puppet->task));
    return fork_task(puppet->task, ret);
}

struct error *puppet_split(struct puppet *puppet, struct puppet *ret) {
    struct task task;
    TRY(fork_task(puppet->task, &task));
    struct puppet split = {.filesfd = puppet->filesfd,
                           .files = puppet->files,
                           .entry = puppet->entry,
                           .brk_start = puppet->brk_start,
                           .brk_end = puppet->brk_end,
                           .stack_start = puppet->stack_start,
                           .stack_end = puppet->stack_end};
    struct error *err = keep_task(&split, task.tid, &split.task);
    if (err) {
        puppet_end_twin(&task);
        free(split.tasks);
        return err;
    }
    split.alive = true;
    split.files->users++;
    *ret = split;
    return NULL;
}

struct error *puppet_return_to(struct puppet *puppet, struct task *twin) {
    struct task task;
    TRY(fork_task(twin, &task));
    end_tasks(puppet);
    struct error *err = keep_task(puppet, task.tid, &puppet->task);
    puppet->alive = !err;
    if (err)
        puppet_end_twin(&task);
    TRY(err);
    return NULL;
}

/* ---- files ---- */

static struct puppet_file *find_file(struct puppet *puppet, uint32_t id) {
    struct puppet_files *files = puppet->files;
    for (size_t i = 0; i < files->count; i++)
        if (files->list[i].id == id)
            return &files->list[i];
    return NULL;
}

struct error *puppet_add_file(struct puppet *puppet, uint32_t id, uint64_t size, bool changes) {
    struct puppet_file *file = find_file(puppet, id);
    if (!file) {
        struct puppet_files *files = puppet->files;
        struct puppet_file *list = realloc(files->list, (files->count + 1) * sizeof(*list));
        if (!list)
            return &error_no_memory;
        files->list = list;
        file = &list[files->count++];
        *file = (struct puppet_file){.id = id, .fd = -1, .copy = -1};
    }
    file->size = size;
    file->changes = changes;
    return NULL;
}

static struct error *open_file(struct puppet *puppet, struct puppet_file *file) {
    if (file->fd >= 0)
        return NULL;
    char name[16];
    snprintf(name, sizeof(name), "%u", file->id);
    file->fd = openat(puppet->filesfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return file->fd < 0 ? error_system(errno, "stored file %s", name) : NULL;
}

static struct error *copy_file(int from, int to, uint64_t size) {
    static char block[1 << 16];
    for (off_t at = 0; (uint64_t)at < size;) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0)
            break; /* only a hole is left */
        ssize_t got = pread(from, block, sizeof(block), data);
        if (got <= 0)
            break;
        if (pwrite(to, block, (size_t)got, data) != got)
            return error_system(errno, "puppet: copy of a mapped file");
        at = data + got;
    }
    return ftruncate(to, (off_t)size) < 0 ? error_system(errno, "puppet: copy of a mapped file") : NULL;
}

/* The copy that the file's mappings share. */
static struct error *open_copy(struct puppet *puppet, struct puppet_file *file) {
    if (file->copy >= 0)
        return NULL;
    TRY(open_file(puppet, file));
    int fd = memfd_create("reel", MFD_CLOEXEC);
    if (fd < 0)
        return error_system(errno, "puppet: copy of a mapped file");
    struct error *err = copy_file(file->fd, fd, file->size);
    if (err)
        close(fd);
    else
        file->copy = fd;
    return err;
}

static struct error *fd_for_mapping(struct puppet *puppet, uint32_t id, bool shared, int *ret) {
    struct puppet_file *file = find_file(puppet, id);
    if (!file)
        return error_new(ERROR_BAD_DATA, "recording: file %u is mapped but not listed", id);
    bool copy = shared || file->changes;
    if (copy)
        TRY(open_copy(puppet, file));
    else
        TRY(open_file(puppet, file));
    *ret = copy ? file->copy : file->fd;
    return NULL;
}

/* A mapping needs no descriptor; programs map more files than some limits allow to be open. */
static void close_file(struct puppet *puppet, uint32_t id) {
    struct puppet_file *file = find_file(puppet, id);
    if (file && file->fd >= 0) {
        close(file->fd);
        file->fd = -1;
    }
}

struct error *puppet_file_write(struct puppet *puppet, uint32_t id, uint64_t offset, const void *bytes,
                                size_t size) {
    struct puppet_file *file = find_file(puppet, id);
    if (!file)
        return error_new(ERROR_BAD_DATA, "recording: file %u is written but not listed", id);
    TRY(open_copy(puppet, file));
    if (pwrite(file->copy, bytes, size, (off_t)offset) != (ssize_t)size)
        return error_system(errno, "puppet: copy of a mapped file");
    return NULL;
}

struct error *puppet_file_resize(struct puppet *puppet, uint32_t id, uint64_t size) {
    struct puppet_file *file = find_file(puppet, id);
    if (!file)
        return error_new(ERROR_BAD_DATA, "recording: file %u is resized but not listed", id);
    TRY(open_copy(puppet, file));
    if (ftruncate(file->copy, (off_t)size) < 0)
        return error_system(errno, "puppet: copy of a mapped file");
    return NULL;
}

/* ---- memory ---- */

static bool touches_stub(uint64_t address, uint64_t size) {
    return address < PUPPET_STUB + PUPPET_STUB_SIZE && address + size > PUPPET_STUB;
}

/* A recorded range must lie in user space and leave the stub alone: recordings are untrusted. */
static struct error *check_range(uint64_t address, uint64_t size) {
    if (address % PAGE || size > USER_END || address > USER_END - size || !size ||
        touches_stub(address, size))
        return error_new(ERROR_BAD_DATA, "recording: memory range 0x%llx+0x%llx makes no sense",
                         (unsigned long long)address, (unsigned long long)size);
    return NULL;
}

struct error *puppet_write(struct puppet *puppet, uint64_t address, const void *bytes, size_t size) {
    if (size > USER_END || address > USER_END - size || touches_stub(address, size))
        return error_new(ERROR_BAD_DATA, "recording: memory range 0x%llx+0x%zx makes no sense",
                         (unsigned long long)address, size);
    return task_write(puppet->task, address, bytes, size);
}

struct error *puppet_call(struct puppet *puppet, long number, const uint64_t args[6], int64_t expected) {
    int64_t result;
    TRY(check_range(args[0], page_up(args[1] ? args[1] : 1)));
    if (number == SYS_mremap)
        TRY(check_range(args[4], page_up(args[2])));
    TRY(remote_syscall(puppet->task, PUPPET_STUB, number, args, &result));
    if (result == expected)
        return NULL;
    struct error *err =
        error_new(ERROR_DIVERGED, "puppet: memory call %ld at 0x%llx gave %lld where the recording has %lld",
                  number, (unsigned long long)args[0], (long long)result, (long long)expected);
    return result == -ENOMEM ? error_hint(err, "is memory limited here (ulimit -v)?") : err;
}

struct error *puppet_map(struct puppet *puppet, uint64_t address, uint64_t size, int protection, bool shared,
                         uint32_t file, uint64_t offset) {
    size = page_up(size);
    TRY(check_range(address, size));
    int fd = -1;
    uint64_t flags = MAP_FIXED | MAP_NORESERVE | (shared ? MAP_SHARED : MAP_PRIVATE);
    if (file)
        TRY(fd_for_mapping(puppet, file, shared, &fd));
    else
        flags |= MAP_ANONYMOUS;
    struct error *err =
        puppet_call(puppet, SYS_mmap,
                    (const uint64_t[6]){address, size, (uint64_t)protection, flags, (uint64_t)fd, offset},
                    (int64_t)address);
    if (file)
        close_file(puppet, file);
    return err;
}

/* A segment that has its number again, but another size, is a new one. */
static struct error *open_segment(struct puppet_files *files, uint64_t id, uint64_t size, int *ret) {
    struct puppet_segment *segment = NULL;
    for (size_t i = 0; i < files->segment_count; i++)
        if (files->segments[i].id == id)
            segment = &files->segments[i];
    if (segment && segment->size == size) {
        *ret = segment->fd;
        return NULL;
    }
    if (!segment) {
        segment = reallocarray(files->segments, files->segment_count + 1, sizeof(*segment));
        if (!segment)
            return &error_no_memory;
        files->segments = segment;
        segment += files->segment_count;
        *segment = (struct puppet_segment){.id = id, .fd = -1};
    }
    int fd = memfd_create("reel", MFD_CLOEXEC);
    if (fd < 0)
        return error_system(errno, "puppet: a shared segment");
    if (ftruncate(fd, (off_t)size) < 0) {
        struct error *err = error_system(errno, "puppet: a shared segment");
        close(fd);
        return err;
    }
    if (segment->fd >= 0)
        close(segment->fd);
    else
        files->segment_count++;
    segment->fd = fd;
    segment->size = size;
    *ret = fd;
    return NULL;
}

struct error *puppet_attach(struct puppet *puppet, uint64_t id, uint64_t address, uint64_t size) {
    int fd;
    size = page_up(size);
    TRY(check_range(address, size));
    TRY(open_segment(puppet->files, id, size, &fd));
    return puppet_call(
        puppet, SYS_mmap,
        (const uint64_t[6]){address, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, (uint64_t)fd, 0},
        (int64_t)address);
}

struct error *puppet_unmap(struct puppet *puppet, uint64_t address, uint64_t size) {
    size = page_up(size);
    TRY(check_range(address, size));
    return puppet_call(puppet, SYS_munmap, (const uint64_t[6]){address, size}, 0);
}

struct error *puppet_set_brk(struct puppet *puppet, uint64_t end) {
    uint64_t before = puppet->brk_end;
    end = page_up(end);
    if (end == before)
        return NULL;
    if (end > before)
        TRY(puppet_map(puppet, before, end - before, PROT_READ | PROT_WRITE, false, 0, 0));
    else
        TRY(puppet_unmap(puppet, end, before - end));
    puppet->brk_end = end;
    return NULL;
}

/* Lowest address that the stack may grow down to: not into the mapping below it. */
static uint64_t stack_bottom(const struct puppet *puppet, uint64_t limit, uint64_t floor) {
    limit = (limit < STACK_MOST ? limit : STACK_MOST) & ~(PAGE - 1);
    uint64_t bottom = limit < puppet->stack_end ? puppet->stack_end - limit : 0;
    return bottom > floor ? bottom : floor;
}

struct error *puppet_set_stack_limit(struct puppet *puppet, uint64_t limit, uint64_t grown) {
    struct maps maps;
    if (!puppet->stack_end)
        return NULL;
    TRY(maps_read(puppet->task->tid, &maps));
    uint64_t floor = PUPPET_STUB + PUPPET_STUB_SIZE;
    for (size_t i = 0; i < maps.count; i++)
        if (maps.mappings[i].end <= puppet->stack_start)
            floor = maps.mappings[i].end;
    maps_deinit(&maps);
    uint64_t bottom = stack_bottom(puppet, limit, floor), before = puppet->stack_start;
    if (bottom > grown)
        bottom = grown;
    puppet->stack_start = bottom;
    if (bottom < before)
        return puppet_map(puppet, bottom, before - bottom, PROT_READ | PROT_WRITE, false, 0, 0);
    return bottom > before ? puppet_unmap(puppet, before, bottom - before) : NULL;
}

/* ---- loading a snapshot ---- */

struct load {
    struct puppet *puppet;
    bool mapped;
};

static struct error *load_mappings(struct puppet *puppet, const struct snapshot *snapshot) {
    uint64_t floor = PUPPET_STUB + PUPPET_STUB_SIZE;
    for (size_t i = 0; i < snapshot->file_count;
         i++) /* one that is known already is known better: it may have grown since */
        if (!find_file(puppet, snapshot->files[i].id))
            TRY(puppet_add_file(puppet, snapshot->files[i].id, snapshot->files[i].size, false));
    for (size_t i = 0; i < snapshot->mapping_count; i++) {
        const struct snapshot_mapping *mapping = &snapshot->mappings[i];
        uint64_t start = mapping->start;
        if (mapping->stack) {
            puppet->stack_end = mapping->end;
            uint64_t bottom = stack_bottom(puppet, snapshot->stack_limit, floor);
            start = bottom < start ? bottom : start;
            puppet->stack_start = start;
        }
        TRY(puppet_map(puppet, start, mapping->end - start, mapping->protection, mapping->shared,
                       mapping->file, mapping->offset));
        floor = mapping->end;
    }
    return NULL;
}

static struct error *load_pages(void *context, const struct snapshot *snapshot, uint64_t address,
                                const void *bytes, size_t size) {
    struct load *load = context;
    if (!load->mapped)
        TRY(load_mappings(load->puppet, snapshot));
    load->mapped = true;
    return puppet_write(load->puppet, address, bytes, size);
}

struct error *puppet_load(struct puppet *puppet, int dirfd, const char *name, int32_t *ret_tid) {
    struct load load = {.puppet = puppet};
    struct snapshot snapshot;
    TRY(snapshot_read(dirfd, name, load_pages, &load, &snapshot));
    struct error *err = load.mapped ? NULL : load_mappings(puppet, &snapshot);
    puppet->entry = snapshot.entry;
    puppet->brk_start = snapshot.brk_start;
    puppet->brk_end = page_up(snapshot.brk_end ? snapshot.brk_end : snapshot.brk_start);
    snapshot.registers.orig_rax = (unsigned long long)-1;
    if (!err)
        err = trace_set_xstate(puppet->task->tid, snapshot.xstate, snapshot.xstate_size);
    if (err)
        err = error_hint(error_context(err, "processor state"),
                         "was it recorded on a CPU with other features?");
    if (!err)
        err = trace_set_registers(puppet->task->tid, &snapshot.registers);
    *ret_tid = snapshot.tid;
    snapshot_deinit(&snapshot);
    return err;
}

/* Stored files are named by their ids; copies in memory are known by their inodes. */
uint32_t puppet_file_of(const struct puppet *puppet, const struct mapping *mapping) {
    struct stat info;
    const struct puppet_files *files = puppet->files;
    for (size_t i = 0; i < files->count; i++)
        if (files->list[i].copy >= 0 && fstat(files->list[i].copy, &info) == 0 &&
            info.st_dev == mapping->device && info.st_ino == mapping->inode)
            return files->list[i].id;
    const char *slash = mapping->inode ? strrchr(mapping->name, '/') : NULL;
    char *end = NULL;
    unsigned long id = slash ? strtoul(slash + 1, &end, 10) : 0;
    return id && !*end && id <= UINT32_MAX ? (uint32_t)id : 0;
}
