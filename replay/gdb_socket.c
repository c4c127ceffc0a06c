#include "replay/gdb_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct error *listen_on(int fd, const struct sockaddr *address, socklen_t size, const char *what) {
    int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, address, size) == 0 && listen(fd, 1) == 0)
        return NULL;
    return error_hint(error_system(errno, "%s", what), "is another one serving there?");
}

static struct error *open_unix(const char *path, struct gdb_socket *ret) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    ret->listenfd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (ret->listenfd < 0)
        return error_system(errno, "%s", path);
    mode_t mask = umask(0077);
    struct error *err = listen_on(ret->listenfd, (const struct sockaddr *)&address, sizeof(address), path);
    umask(mask);
    return err;
}

static struct error *open_port(unsigned port, struct gdb_socket *ret) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    char what[32];
    snprintf(what, sizeof(what), "port %u", port);
    ret->listenfd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (ret->listenfd < 0)
        return error_system(errno, "%s", what);
    TRY(listen_on(ret->listenfd, (const struct sockaddr *)&address, size, what));
    if (getsockname(ret->listenfd, (struct sockaddr *)&address, &size) < 0)
        return error_system(errno, "%s", what);
    ret->port = ntohs(address.sin_port);
    snprintf(ret->address, sizeof(ret->address), "localhost:%u", ret->port);
    return NULL;
}

static struct error *reopen(struct gdb_socket *socket) {
    struct error *err =
        socket->is_unix ? open_unix(socket->address, socket) : open_port(socket->port, socket);
    if (err && socket->listenfd >= 0) {
        close(socket->listenfd);
        socket->listenfd = -1;
    }
    return err;
}

struct error *gdb_socket_open(const char *where, struct gdb_socket *ret) {
    char *end;
    unsigned long port = strtoul(where, &end, 10);
    bool number = *where >= '0' && *where <= '9' && !*end;
    *ret = (struct gdb_socket){.listenfd = -1, .is_unix = !number, .port = (unsigned)port};
    if (number && port > 65535)
        return error_new(ERROR_USAGE, "%s: no port", where);
    if (!number && strlen(where) >= sizeof(ret->address))
        return error_new(ERROR_USAGE, "%s: too long for a socket", where);
    if (!number)
        snprintf(ret->address, sizeof(ret->address), "%s", where);
    return reopen(ret);
}

static struct error *write_words(const char *path, const char *words) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write(fd, words, strlen(words)) == (ssize_t)strlen(words);
    struct error *err = written ? NULL : error_system(errno, "%s", path);
    if (fd >= 0)
        close(fd);
    return err;
}

struct error *gdb_socket_private(const char *words, struct gdb_socket *ret) {
    char folder[] = "/tmp/reel-debug-XXXXXX", path[64], file[64];
    if (!mkdtemp(folder))
        return error_system(errno, "/tmp");
    snprintf(path, sizeof(path), "%s/socket", folder);
    snprintf(file, sizeof(file), "%s/words", folder);
    struct error *err = gdb_socket_open(path, ret);
    if (err) {
        rmdir(folder);
        return err;
    }
    snprintf(ret->folder, sizeof(ret->folder), "%s", folder);
    snprintf(ret->words, sizeof(ret->words), "%s", file);
    err = write_words(file, words);
    if (err)
        gdb_socket_close(ret);
    return err;
}

static bool has_ended(pid_t child) {
    siginfo_t info = {0};
    return child && waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == child;
}

/* Who comes now is refused. */
static void stop_listening(struct gdb_socket *socket) {
    if (socket->listenfd < 0)
        return;
    close(socket->listenfd);
    socket->listenfd = -1;
    if (socket->is_unix)
        unlink(socket->address);
}

struct error *gdb_socket_accept(struct gdb_socket *socket, pid_t child, int *ret_fd, bool *ret_gone) {
    int yes = 1;
    *ret_gone = false;
    if (socket->listenfd < 0)
        TRY(reopen(socket));
    struct pollfd wait = {.fd = socket->listenfd, .events = POLLIN};
    while (poll(&wait, 1, 100) <= 0)
        if (has_ended(child)) {
            *ret_gone = true;
            return NULL;
        }
    do {
        *ret_fd = accept4(socket->listenfd, NULL, NULL, SOCK_CLOEXEC);
    } while (*ret_fd < 0 && errno == EINTR);
    if (*ret_fd < 0)
        return error_system(errno, "%s", socket->address);
    stop_listening(socket);
    if (!socket->is_unix)
        setsockopt(*ret_fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    return NULL;
}

void gdb_socket_close(struct gdb_socket *socket) {
    stop_listening(socket);
    if (*socket->words)
        unlink(socket->words);
    if (*socket->folder)
        rmdir(socket->folder);
}
