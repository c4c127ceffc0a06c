#include "tracer/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sigaction saved_actions[NSIG];
static sigset_t saved_mask;
static struct itimerval saved_timer;
static bool signals_saved;

void launch_save_signals(void) {
    for (int signo = 1; signo < NSIG; signo++)
        sigaction(signo, NULL, &saved_actions[signo]); /* fails for the two that libc keeps to itself */
    const struct itimerval none = {0};
    sigset_t nothing;
    sigemptyset(&nothing);
    setitimer(ITIMER_REAL, &none, &saved_timer); /* an alarm survives exec: it is meant for the program */
    sigprocmask(SIG_SETMASK, &nothing, &saved_mask);
    signals_saved = true;
}

static struct rlimit saved_files;
static bool files_raised;

void launch_raise_files(void) {
    struct rlimit most;
    if (getrlimit(RLIMIT_NOFILE, &saved_files) < 0)
        return;
    most = saved_files;
    most.rlim_cur = most.rlim_max;
    files_raised = setrlimit(RLIMIT_NOFILE, &most) == 0;
}

static void restore_signals(void) {
    if (!signals_saved)
        return;
    for (int signo = 1; signo < NSIG; signo++)
        if (signo != SIGKILL && signo != SIGSTOP)
            sigaction(signo, &saved_actions[signo], NULL);
    sigprocmask(SIG_SETMASK, &saved_mask, NULL);
    setitimer(ITIMER_REAL, &saved_timer, NULL);
}

static int install_filter(void) {
    static struct sock_filter instructions[] = {
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | LAUNCH_FILTER_DATA)};
    struct sock_fprog program = {.len = 1, .filter = instructions};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0)
        return 0;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

/* What the child says through the pipe when it cannot become the program. */
struct child_failure {
    int errnum;
    bool at_exec;
};

static void child_main(char *const argv[], bool filter, int go_fd, int failure_fd) {
    char go;
    ssize_t got;
    do
        got = read(go_fd, &go, 1);
    while (got < 0 && errno == EINTR);
    if (got != 1) /* reel has been killed: nobody would trace this */
        _exit(126);
    close(go_fd);
    restore_signals();
    if (files_raised)
        setrlimit(RLIMIT_NOFILE, &saved_files);
    struct child_failure failure = {0};
    if (!filter || install_filter() == 0) {
        execvp(argv[0], argv);
        failure.at_exec = true;
    }
    failure.errnum = errno;
    if (write(failure_fd, &failure, sizeof(failure)) < 0)
        _exit(126);
    _exit(127);
}

static struct error *exec_error(const char *program, const struct child_failure *failure) {
    if (!failure->at_exec)
        return error_hint(error_new(ERROR_SYSTEM, "seccomp filter: %s", strerror(failure->errnum)),
                          "`reel doctor` tells what this kernel offers");
    enum error_code code = failure->errnum == ENOENT ? ERROR_NO_PROGRAM : ERROR_NOT_RUNNABLE;
    return error_new(code, "%s: %s", program, strerror(failure->errnum));
}

/* Pass the child's own calls until execve has loaded the program. */
static struct error *run_to_exec(struct engine *engine, struct task *task, const char *program,
                                 int failure_fd) {
    for (bool loaded = false;;) {
        struct stop stop;
        TRY(engine_next(engine, &stop));
        if (stop.kind != STOP_NONE && stop.kind != STOP_TICK && stop.task != task)
            continue;
        if (stop.kind == STOP_EXITED || stop.kind == STOP_KILLED || stop.kind == STOP_NONE) {
            struct child_failure failure = {0};
            if (read(failure_fd, &failure, sizeof(failure)) == sizeof(failure))
                return exec_error(program, &failure);
            return error_new(ERROR_OTHER, "%s: ended before it was loaded", program);
        }
        if (stop.kind == STOP_TICK)
            continue;
        if (stop.kind == STOP_EXEC)
            loaded = true;
        if (loaded && stop.kind == STOP_SYSCALL_EXIT)
            return NULL;
        if (loaded)
            TRY(task_resume(task, RESUME_SYSCALL, 0));
        else
            TRY(engine_pass(&stop));
    }
}

static struct error *adopt(struct engine *engine, pid_t pid, int go_fd, struct task **ret) {
    struct task *task = engine_task(engine, pid);
    if (!task)
        return &error_no_memory;
    struct error *err = trace_seize(pid, true);
    if (err)
        return error_hint(err, "is this process itself traced, or ptrace forbidden here? see `reel doctor`");
    if (write(go_fd, "g", 1) != 1)
        return error_system(errno, "starting the program");
    *ret = task;
    return NULL;
}

struct error *launch(struct engine *engine, char *const argv[], bool filter, struct task **ret) {
    int go[2], failure[2];
    if (pipe2(go, O_CLOEXEC) < 0)
        return error_system(errno, "pipe");
    if (pipe2(failure, O_CLOEXEC) < 0) {
        struct error *err = error_system(errno, "pipe");
        close(go[0]);
        close(go[1]);
        return err;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(go[1]);
        close(failure[0]);
        child_main(argv, filter, go[0], failure[1]);
    }
    struct error *err = pid < 0 ? error_system(errno, "fork") : NULL;
    close(go[0]);
    close(failure[1]);
    struct task *task = NULL;
    if (!err)
        err = adopt(engine, pid, go[1], &task);
    if (!err)
        err = run_to_exec(engine, task, argv[0], failure[0]);
    close(go[1]);
    close(failure[0]);
    if (err && pid > 0)
        kill(pid, SIGKILL);
    if (!err)
        *ret = task;
    return err;
}
