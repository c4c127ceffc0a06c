#include "replay/hunt.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/say.h"
#include "replay/recording.h"
#include "tracer/syscall.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A longer line is matched in parts. */
#define LINE_MOST 65536u
/* Seconds between SIGTERM and SIGKILL. */
#define PATIENCE 5

/* ---- goals ---- */

static struct error *parse_status(const char *text, struct hunt_goal *ret) {
    char *end;
    long status = strtol(text, &end, 10);
    if (!*text || *end || status < 0 || status > 255)
        return error_new(ERROR_USAGE, "--until exit=%s: not an exit status (0 to 255)", text);
    ret->prey = HUNT_EXIT;
    ret->status = (int)status;
    return NULL;
}

static struct error *parse_text(const char *pattern, int fd, struct hunt_goal *ret) {
    int failed = regcomp(&ret->line, pattern, REG_EXTENDED | REG_NOSUB);
    if (failed) {
        char why[256];
        regerror(failed, &ret->line, why, sizeof(why));
        return error_new(ERROR_USAGE, "--until: %s: %s", pattern, why);
    }
    ret->prey = HUNT_TEXT;
    ret->fd = fd;
    return NULL;
}

struct error *hunt_goal_parse(const char *text, struct hunt_goal *ret) {
    *ret = (struct hunt_goal){.status = -1};
    if (!strncmp(text, "stdout~", 7))
        return parse_text(text + 7, STDOUT_FILENO, ret);
    if (!strncmp(text, "stderr~", 7))
        return parse_text(text + 7, STDERR_FILENO, ret);
    if (!strncmp(text, "exit=", 5))
        return parse_status(text + 5, ret);
    if (!strcmp(text, "crash"))
        ret->prey = HUNT_CRASH;
    else if (!strcmp(text, "exit"))
        ret->prey = HUNT_EXIT;
    else if (!strcmp(text, "hang"))
        ret->prey = HUNT_HANG;
    else
        return error_hint(error_new(ERROR_USAGE, "--until %s: nothing to hunt for", text),
                          "crash, exit, exit=N, hang, stdout~REGEX or stderr~REGEX");
    return NULL;
}

void hunt_goal_deinit(struct hunt_goal *goal) {
    if (goal->prey == HUNT_TEXT)
        regfree(&goal->line);
}

/* ---- one run ---- */

/* What the program writes to one of its outputs, as lines. */
struct stream {
    int fd; /* our end of a pipe, or -1 */
    struct buffer line;
    const struct hunt_goal *matched; /* the first goal that a line matches */
    char *reel;                      /* what reel itself said last: why a run could not be recorded; owned */
};

struct run {
    const struct hunt_options *options;
    pid_t recorder;
    struct stream streams[2]; /* stdout, stderr */
    uint64_t started;         /* clock_now() */
    bool hung;                /* it ran longer than it may; */
    bool told;                /* to end, for that or because the hunt is over, */
    uint64_t told_at;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signo) {
    interrupted = signo;
}

static double seconds_since(uint64_t start) {
    return (double)(clock_now() - start) / CLOCK_SECOND;
}

/* The recorder's process. A group of its own: Ctrl-C is for the hunt, which ends the run. */
static void __attribute__((noreturn))
record_here(const struct recorder_options *record, const int outputs[2]) {
    int status = 125;
    setpgid(0, 0);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    int empty = open("/dev/null", O_RDONLY);
    lseek(STDIN_FILENO, 0, SEEK_SET); /* a file is there anew for each run */
    if (isatty(STDIN_FILENO) && empty >= 0)
        dup2(empty, STDIN_FILENO);
    close(empty);
    dup2(outputs[0], STDOUT_FILENO);
    dup2(outputs[1], STDERR_FILENO);
    say_level = SAY_QUIET;
    struct error *err = recorder_run(record, &status);
    enum error_code code = err ? err->code : ERROR_OTHER;
    if (err)
        say_error(err);
    _exit(!err ? status : code == ERROR_NO_PROGRAM ? 127 : code == ERROR_NOT_RUNNABLE ? 126 : 125);
}

static struct error *start_run(struct run *run, const struct recorder_options *record) {
    int outputs[2] = {-1, -1};
    struct error *err = NULL;
    for (int i = 0; i < 2; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0) {
            err = error_system(errno, "hunt: pipe");
            break;
        }
        run->streams[i].fd = ends[0];
        outputs[i] = ends[1];
    }
    run->started = clock_now();
    run->recorder = err ? -1 : fork();
    if (run->recorder == 0)
        record_here(record, outputs);
    if (!err && run->recorder < 0)
        err = error_system(errno, "hunt: fork");
    if (run->recorder > 0)
        setpgid(run->recorder, run->recorder); /* whoever comes first */
    for (int i = 0; i < 2; i++)
        if (outputs[i] >= 0)
            close(outputs[i]);
    return err;
}

static void match_line(const struct run *run, struct stream *stream, int fd) {
    buffer_put_u8(&stream->line, 0);
    if (!stream->line.failed && !strncmp((const char *)stream->line.data, "reel: ", 6)) {
        free(stream->reel);
        stream->reel = strdup((const char *)stream->line.data + 6);
    }
    for (size_t i = 0; !stream->matched && !stream->line.failed && i < run->options->goal_count; i++) {
        const struct hunt_goal *goal = &run->options->goals[i];
        if (goal->prey == HUNT_TEXT && goal->fd == fd &&
            regexec(&goal->line, (const char *)stream->line.data, 0, NULL, 0) == 0)
            stream->matched = goal;
    }
    buffer_clear(&stream->line);
}

/* Read what is there; closes the stream at its end. */
static void take_output(struct run *run, int index) {
    struct stream *stream = &run->streams[index];
    char bytes[16384];
    ssize_t got = read(stream->fd, bytes, sizeof(bytes));
    if (got < 0 && errno == EINTR)
        return;
    if (got <= 0) {
        if (stream->line.size)
            match_line(run, stream, index + 1);
        close(stream->fd);
        stream->fd = -1;
        return;
    }
    if (run->options->show)
        (void)!write(index + 1, bytes, (size_t)got);
    for (ssize_t i = 0; i < got; i++) {
        if (bytes[i] != '\n')
            buffer_put_u8(&stream->line, (uint8_t)bytes[i]);
        if (bytes[i] == '\n' || stream->line.size == LINE_MOST)
            match_line(run, stream, index + 1);
    }
}

/* What reel is sent it passes on to the program; a program that survives SIGTERM is killed with its recorder
 * a little later: the recording then ends there. */
static void end_run(struct run *run) {
    bool hung = run->options->timeout && seconds_since(run->started) > run->options->timeout;
    if (!run->told && (hung || interrupted)) {
        run->told = true;
        run->hung = hung;
        run->told_at = clock_now();
        kill(run->recorder, SIGTERM);
    }
    if (run->told && seconds_since(run->told_at) > PATIENCE)
        kill(run->recorder, SIGKILL);
}

/* Until the recorder has ended, which it does when all that it runs has ended. */
static int watch_run(struct run *run) {
    for (;;) {
        int status;
        struct pollfd polls[2] = {{run->streams[0].fd, POLLIN, 0}, {run->streams[1].fd, POLLIN, 0}};
        bool open = run->streams[0].fd >= 0 || run->streams[1].fd >= 0;
        end_run(run);
        if (open && poll(polls, 2, 100) > 0) {
            for (int i = 0; i < 2; i++)
                if (polls[i].revents)
                    take_output(run, i);
            continue; /* first all of what there is */
        }
        pid_t ended = waitpid(run->recorder, &status, open ? WNOHANG : 0);
        if (ended == run->recorder)
            return status;
    }
}

static void run_deinit(struct run *run) {
    for (int i = 0; i < 2; i++) {
        if (run->streams[i].fd >= 0)
            close(run->streams[i].fd);
        buffer_deinit(&run->streams[i].line);
        free(run->streams[i].reel);
    }
}

/* ---- what came of it ---- */

static bool is_caught(const struct run *run, const struct hunt_goal *goal,
                      const struct recording_info *info) {
    switch (goal->prey) {
    case HUNT_CRASH:
        return !run->hung && info->end == END_SIGNALED;
    case HUNT_EXIT:
        return info->end == END_EXITED &&
               (goal->status < 0 ? info->status != 0 : info->status == goal->status);
    case HUNT_HANG:
        return run->hung;
    case HUNT_TEXT:
        return run->streams[goal->fd - 1].matched == goal;
    }
    return false;
}

static void describe_end(const struct run *run, const struct recording_info *info, char *ret, size_t size) {
    for (int i = 0; i < 2; i++) {
        if (run->streams[i].matched) {
            snprintf(ret, size, "a line of %s matches", i ? "stderr" : "stdout");
            return;
        }
    }
    if (run->hung)
        snprintf(ret, size, "still running after %u s", run->options->timeout);
    else if (info->end == END_SIGNALED)
        snprintf(ret, size, "%s", signal_name(info->status));
    else
        snprintf(ret, size, "exit status %d", info->status);
}

/* *ret_what is empty when no goal was met. */
static struct error *judge(const struct run *run, const char *path, char *ret_what, size_t size) {
    struct recording recording;
    struct recording_info info;
    *ret_what = 0;
    TRY(recording_open(path, &recording, &info));
    bool caught = false, broken_off = run->told && !run->hung; /* its end tells nothing */
    for (size_t i = 0; !broken_off && !caught && i < run->options->goal_count; i++)
        caught = is_caught(run, &run->options->goals[i], &info);
    if (caught)
        describe_end(run, &info, ret_what, size);
    else
        recording_discard(&recording);
    recording_info_deinit(&info);
    recording_deinit(&recording);
    return NULL;
}

static enum error_code code_of(int status) {
    if (!WIFEXITED(status))
        return ERROR_OTHER;
    return WEXITSTATUS(status) == 127   ? ERROR_NO_PROGRAM
           : WEXITSTATUS(status) == 126 ? ERROR_NOT_RUNNABLE
                                        : ERROR_OTHER;
}

/* One run: record, watch, judge. */
static struct error *hunt_once(const struct hunt_options *options, const struct recorder_options *record,
                               char *ret_what, size_t size) {
    struct run run = {.options = options, .streams = {{.fd = -1}, {.fd = -1}}};
    struct error *err = start_run(&run, record);
    if (!err) {
        int status = watch_run(&run);
        err = judge(&run, record->output, ret_what, size);
        if (err && run.streams[1].reel) { /* no recording: it says why */
            error_free(err);
            err = error_new(code_of(status), "%s", run.streams[1].reel);
        }
    }
    run_deinit(&run);
    return err;
}

/* ---- the hunt ---- */

static void show_progress(uint64_t runs, uint64_t start) {
    static uint64_t shown;
    if (say_level == SAY_QUIET || !isatty(STDERR_FILENO) || (shown && seconds_since(shown) < 0.2))
        return;
    shown = clock_now();
    double seconds = seconds_since(start);
    fprintf(stderr, "\rreel: hunt: %llu runs, %.1f s, %.1f runs/s\033[K", (unsigned long long)runs, seconds,
            (double)runs / (seconds > 0 ? seconds : 1));
}

static void end_progress(void) {
    if (say_level != SAY_QUIET && isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
}

static struct error *hunt(const struct hunt_options *options, struct recorder_options *record,
                          bool *ret_found) {
    uint64_t start = clock_now(), seed = record->chaos_seed, done = 0;
    char what[128] = "";
    while (!*what && !interrupted && (!options->runs || done < options->runs)) {
        record->chaos_seed = seed + done;
        struct error *err = hunt_once(options, record, what, sizeof(what));
        if (err) {
            end_progress();
            return err;
        }
        done++;
        show_progress(done, start);
    }
    end_progress();
    double seconds = seconds_since(start);
    *ret_found = *what != 0;
    if (*ret_found)
        say_always("run %llu after %.1f s: %s; kept %s (look at it again: reel replay %s)",
                   (unsigned long long)done, seconds, what, record->output, record->output);
    else
        say("nothing found in %llu runs, %.1f s", (unsigned long long)done, seconds);
    if (*ret_found && record->chaos)
        say("its seed: --seed %llu", (unsigned long long)record->chaos_seed);
    return NULL;
}

struct error *hunt_run(const struct hunt_options *options, bool *ret_found) {
    struct recorder_options record = options->record;
    char *made = NULL;
    *ret_found = false;
    if (!record.output) {
        const char *slash = strrchr(record.argv[0], '/');
        if (asprintf(&made, "%s-hunt-%d.reel", slash ? slash + 1 : record.argv[0], (int)getpid()) < 0)
            return &error_no_memory;
        record.output = made;
    }
    if (access(record.output, F_OK) == 0) { /* never to be taken for the outcome of a run, and deleted */
        struct error *err =
            error_hint(error_new(ERROR_USAGE, "%s: already exists", record.output), "choose another with -o");
        free(made);
        return err;
    }
    struct sigaction interrupt = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &interrupt, NULL);
    struct error *err = hunt(options, &record, ret_found);
    free(made);
    return err;
}
