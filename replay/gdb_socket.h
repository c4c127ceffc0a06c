/* gdb_socket: where a debugger connects: a port of this machine, or a Unix socket. One debugger at a time. */
#ifndef REEL_REPLAY_GDB_SOCKET_H
#define REEL_REPLAY_GDB_SOCKET_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct gdb_socket {
    int listenfd; /* -1 while a debugger is there */
    unsigned port;
    char address[108]; /* as gdb's `target remote` takes it */
    char words[128];   /* path of a file with gdb commands, or "" */
    char folder[64];   /* made for it, "" if none was */
    bool is_unix;
};

/* A number is a port of 127.0.0.1 (0: any free one), all else the path of a Unix socket, which must not
 * exist. */
struct error *gdb_socket_open(const char *where, struct gdb_socket *ret);
/* One that nobody else can reach, and beside it a file that holds `words`. */
struct error *gdb_socket_private(const char *words, struct gdb_socket *ret);

/* Wait for a debugger. While it is there no other can connect. `child`: the process that is to connect, or 0;
 * *ret_gone says that it has ended instead. */
struct error *gdb_socket_accept(struct gdb_socket *socket, pid_t child, int *ret_fd, bool *ret_gone);
void gdb_socket_close(struct gdb_socket *socket);

#endif
