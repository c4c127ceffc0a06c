/* Job control on a terminal: groups, sessions, who is in the foreground, stops by keys and by use of the
 * terminal. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

static int master;

/* Wait for the child: how it changed. */
static void expect(pid_t pid, int options, const char *what, int (*is)(int), int value, int (*of)(int)) {
    int status;
    CHECK(waitpid(pid, &status, options) == pid);
    printf("%s: 0x%x\n", what, status);
    CHECK(is(status) && (!of || of(status) == value));
}

static int stopped(int status) {
    return WIFSTOPPED(status);
}
static int stop_signal(int status) {
    return WSTOPSIG(status);
}
static int continued(int status) {
    return WIFCONTINUED(status);
}
static int exited(int status) {
    return WIFEXITED(status);
}
static int exit_status(int status) {
    return WEXITSTATUS(status);
}
static int killed(int status) {
    return WIFSIGNALED(status);
}
static int kill_signal(int status) {
    return WTERMSIG(status);
}

static pid_t start_job(void (*job)(void), int foreground) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        setpgid(0, 0);
        if (foreground)
            tcsetpgrp(0, getpid());
        signal(SIGTTOU, SIG_DFL);
        signal(SIGTTIN, SIG_DFL);
        signal(SIGTSTP, SIG_DFL);
        job();
        exit(98);
    }
    setpgid(pid, pid);
    if (foreground)
        CHECK(tcsetpgrp(0, pid) == 0 && tcgetpgrp(0) == pid);
    return pid;
}

static void to_foreground(pid_t pid) {
    CHECK(tcsetpgrp(0, pid) == 0);
    CHECK(killpg(pid, SIGCONT) == 0);
}

static void read_line(void) {
    char text[100];
    ssize_t got = read(0, text, sizeof(text)); /* in the background: SIGTTIN, and again when continued */
    exit(got == 6 && !memcmp(text, "hello\n", 6) ? 11 : 99);
}

static void write_line(void) {
    exit(write(0, "line\n", 5) == 5 ? 12 : 99); /* in the background, with TOSTOP: SIGTTOU */
}

static volatile sig_atomic_t seen, resumed;

static void on_stop(int signo) {
    seen++;
    signal(signo, SIG_DFL);
    raise(signo); /* now it stops */
}

static void on_continue(int signo) {
    resumed = signo;
}

static void compute(void) {
    signal(SIGTSTP, on_stop);
    signal(SIGCONT, on_continue);
    CHECK(write(0, "ready\n", 6) == 6);
    for (volatile long i = 0; !resumed; i++)
        ;
    exit(seen == 1 ? 13 : 99);
}

static void sleep_on(void) {
    CHECK(write(0, "ready\n", 6) == 6);
    for (;;)
        pause();
}

/* What comes out of the terminal up to this text. */
static void await(const char *text) {
    char all[1000] = "";
    for (size_t at = 0; !strstr(all, text); at = strlen(all)) {
        CHECK(at < sizeof(all) - 1 && read(master, all + at, 1) == 1);
        all[at + 1] = 0;
    }
}

static void shell(void) {
    struct termios modes;
    CHECK(getpgrp() == getpid() && tcgetpgrp(0) == getpgrp() && getsid(0) == getpid());
    signal(SIGTTOU, SIG_IGN);
    signal(SIGTTIN, SIG_IGN);
    signal(SIGTSTP, SIG_IGN);
    CHECK(tcgetattr(0, &modes) == 0);
    modes.c_lflag |= TOSTOP;
    CHECK(tcsetattr(0, TCSANOW, &modes) == 0);
    /* the background reads */
    pid_t job = start_job(read_line, 0);
    expect(job, WUNTRACED, "reads", stopped, SIGTTIN, stop_signal);
    to_foreground(job);
    expect(job, WCONTINUED, "continues", continued, 0, NULL);
    CHECK(write(master, "hello\n", 6) == 6);
    expect(job, WUNTRACED, "has read", exited, 11, exit_status);
    CHECK(tcsetpgrp(0, getpgrp()) == 0);
    /* and writes */
    job = start_job(write_line, 0);
    expect(job, WUNTRACED, "writes", stopped, SIGTTOU, stop_signal);
    to_foreground(job);
    await("line");
    expect(job, WUNTRACED, "has written", exited, 12, exit_status);
    /* Ctrl-Z into a computation, whose handler stops it */
    job = start_job(compute, 1);
    await("ready");
    CHECK(write(master, "\032", 1) == 1);
    expect(job, WUNTRACED, "Ctrl-Z", stopped, SIGTSTP, stop_signal);
    CHECK(tcsetpgrp(0, getpgrp()) == 0);
    to_foreground(job);
    expect(job, WUNTRACED, "goes on", exited, 13, exit_status);
    /* Ctrl-Z, bg, fg, Ctrl-C */
    job = start_job(sleep_on, 1);
    await("ready");
    CHECK(write(master, "\032", 1) == 1);
    expect(job, WUNTRACED, "Ctrl-Z", stopped, SIGTSTP, stop_signal);
    CHECK(tcsetpgrp(0, getpgrp()) == 0);
    CHECK(killpg(job, SIGCONT) == 0);
    expect(job, WUNTRACED | WCONTINUED, "bg", continued, 0, NULL);
    CHECK(tcsetpgrp(0, job) == 0);
    CHECK(write(master, "\003", 1) == 1);
    expect(job, WUNTRACED | WCONTINUED, "Ctrl-C", killed, SIGINT, kill_signal);
    CHECK(tcsetpgrp(0, getpgrp()) == 0);
    fflush(stdout);
    _exit(21);
}

int main(void) {
    int status;
    master = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    char *name = ptsname(master);
    CHECK(name);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK(setsid() == getpid());
        int slave = open(name, O_RDWR);
        CHECK(slave >= 0 && ioctl(slave, TIOCSCTTY, 0) == 0 && dup2(slave, 0) == 0);
        shell();
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    printf("shell: 0x%x\n", status);
    CHECK(status == 21 << 8);
    return 0;
}
