/* reel debug: a debugger on the replay of a recording, which also goes backwards. */
#include "base/say.h"
#include "cmd/verb.h"
#include "replay/gdb_packet.h"
#include "replay/gdb_socket.h"
#include "replay/processes.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct debug {
    const char *who, *serve;
    bool start;
    char **gdb_arguments; /* for gdb, up to a NULL */
    struct process_place place;
    char *path;
};

/* ---- to where it is interesting ---- */

static struct error *open_travel(const struct debug *debug, struct travel **ret,
                                 struct travel_stop *ret_stop) {
    const struct travel_options options = {.path = debug->path,
                                           .domain = debug->place.domain,
                                           .pid = debug->place.pid,
                                           .interrupted = gdb_interrupted,
                                           .written = gdb_written};
    struct travel *travel;
    TRY(travel_open(&options, &travel));
    *ret_stop = (struct travel_stop){.kind = TRAVEL_REACHED};
    struct error *err = debug->start ? NULL : travel_to_end(travel, ret_stop);
    if (err)
        travel_close(travel);
    else
        *ret = travel;
    return err;
}

/* ---- a gdb of our own ---- */

/* After `goto` what gdb has read before is of another time. */
static const char gdb_words[] = "define goto\n"
                                "monitor goto $arg0\n"
                                "maintenance flush register-cache\n"
                                "maintenance flush dcache\n"
                                "frame\n"
                                "end\n"
                                "document goto\n"
                                "Go to an event of the recording: goto NUMBER, goto start, goto end.\n"
                                "end\n";

static void run_gdb(const struct debug *debug, const char *address, const char *words) {
    enum { OURS = 8, MOST = 256 };
    char connect[512];
    char *argv[MOST];
    size_t count = 0;
    snprintf(connect, sizeof(connect), "target remote %s", address);
    argv[count++] = (char *)"gdb";
    argv[count++] = (char *)"-q";
    argv[count++] = (char *)"-x";
    argv[count++] = (char *)(uintptr_t)words;
    argv[count++] = (char *)"-ex";
    argv[count++] = connect;
    for (size_t i = 0; debug->gdb_arguments && debug->gdb_arguments[i] && count + 1 < MOST; i++)
        argv[count++] = debug->gdb_arguments[i];
    argv[count] = NULL;
    signal(SIGINT, SIG_DFL);
    execvp("gdb", argv);
    say_always("gdb: %s (is it installed? `--serve` waits for another debugger)", strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
}

static int wait_for(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return EXIT_REEL;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static struct error *with_gdb(const struct debug *debug, struct travel *travel,
                              const struct travel_stop *stop, int *ret_status) {
    struct gdb_socket socket;
    bool killed, gone;
    int fd;
    TRY(gdb_socket_private(gdb_words, &socket));
    signal(SIGINT, SIG_IGN); /* ^C is for gdb, which asks us to stop then */
    pid_t gdb = fork();
    if (gdb == 0)
        run_gdb(debug, socket.address, socket.words);
    struct error *err = gdb < 0 ? error_system(errno, "gdb") : NULL;
    if (!err)
        err = gdb_socket_accept(&socket, gdb, &fd, &gone);
    if (!err && !gone) {
        err = gdb_serve(travel, stop, fd, fd, &killed);
        close(fd);
    }
    gdb_socket_close(&socket);
    if (gdb > 0)
        *ret_status = wait_for(gdb);
    return err;
}

/* ---- other debuggers ---- */

static struct error *serve_stdio(struct travel *travel, const struct travel_stop *stop) {
    bool killed;
    return gdb_serve(travel, stop, STDIN_FILENO, STDOUT_FILENO, &killed);
}

/* One after another, until one says `kill`. */
static struct error *serve(const struct debug *debug, struct travel *travel, struct travel_stop stop) {
    struct gdb_socket socket;
    bool killed = false, gone;
    int fd;
    if (!strcmp(debug->serve, "-"))
        return serve_stdio(travel, &stop);
    TRY(gdb_socket_open(debug->serve, &socket));
    say("waiting for a debugger: target remote %s", socket.address);
    struct error *err = NULL;
    while (!err && !killed) {
        err = gdb_socket_accept(&socket, 0, &fd, &gone);
        if (err)
            break;
        err = gdb_serve(travel, &stop, fd, fd, &killed);
        close(fd);
        if (error_is(err, ERROR_BAD_DATA)) { /* whoever it was, the next one may be a debugger */
            say_error(err);
            err = NULL;
        }
        stop = (struct travel_stop){.kind = TRAVEL_REACHED};
    }
    gdb_socket_close(&socket);
    return err;
}

/* ---- the verb ---- */

static struct error *debug(const struct debug *debug, int *ret_status) {
    struct travel *travel;
    struct travel_stop stop;
    TRY(open_travel(debug, &travel, &stop));
    struct error *err =
        debug->serve ? serve(debug, travel, stop) : with_gdb(debug, travel, &stop, ret_status);
    travel_close(travel);
    return err;
}

/* What is behind `--` is for gdb. */
static int split(int argc, char **argv, struct debug *ret) {
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--")) {
            ret->gdb_arguments = &argv[i + 1];
            argv[i] = NULL;
            return i;
        }
    return argc;
}

static struct error *run(int argc, char **argv, int *ret_status) {
    struct debug options = {0};
    int first;
    bool help;
    const struct verb_option rows[] = {
        {"pid", 'p', VERB_VALUE, &options.who},
        {"serve", 's', VERB_VALUE, &options.serve},
        {"start", 0, VERB_FLAG, &options.start},
    };
    argc = split(argc, argv, &options);
    TRY(verb_options(&verb_debug, argc, argv, rows, sizeof(rows) / sizeof(rows[0]), false, &first, &help));
    if (help)
        return NULL;
    if (options.serve && options.gdb_arguments)
        return error_new(ERROR_USAGE, "--serve: goes without arguments for gdb");
    TRY(verb_recording(argc, argv, first, &options.path));
    struct error *err = processes_find(options.path, options.who, &options.place);
    if (!err)
        err = debug(&options, ret_status);
    free(options.path);
    return err;
}

const struct verb verb_debug = {
    .name = "debug",
    .arguments = "[--pid PID] [--start] [--serve PORT|SOCKET|-] [RECORDING] [-- GDB-ARGUMENT...]",
    .summary = "gdb on a replay, forwards and backwards",
    .help =
        "Starts gdb on the replay of RECORDING (default: the newest in the current folder), where the "
        "program\n"
        "crashed, or ended. Besides its usual commands gdb has reverse-continue, reverse-step, "
        "reverse-next,\n"
        "reverse-finish and reverse-stepi; `goto EVENT` goes to any event; `monitor help` lists what reel "
        "adds.\n"
        "The recording never changes: what gdb writes, or calls, happens in a copy that is thrown away.\n"
        "\n"
        "  -p, --pid PID      the process PID (the last one with that number), or dN, the Nth (default: the "
        "first)\n"
        "      --start        begin at the beginning\n"
        "  -s, --serve WHERE  start no gdb but wait for one, or another front end, at port WHERE of this\n"
        "                     machine, at a Unix socket (a path), or - for standard input and output\n"
        "  -q, --quiet        say nothing but failures\n"
        "  -v, --verbose      say more\n"
        "\n"
        "Exits as gdb does.\n",
    .run = run,
};
