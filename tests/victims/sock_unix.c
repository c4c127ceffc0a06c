/* Named unix sockets, stream and datagram, with their addresses. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/socket.h>
#include <sys/un.h>

static void show_address(const char *what, int result, const struct sockaddr_un *address, socklen_t length) {
    printf("%s %d length %u family %d path %.*s\n", what, result, length, address->sun_family,
           length > 2 && address->sun_path[0] ? (int)length - 2 : 0, address->sun_path);
}

int main(void) {
    struct sockaddr_un name = {.sun_family = AF_UNIX}, peer;
    socklen_t length;
    char back[100];
    snprintf(name.sun_path, sizeof name.sun_path, "sock.%d", (int)getpid());
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    SHOW(connect(client, (struct sockaddr *)&name, sizeof name));
    SHOW(bind(listener, (struct sockaddr *)&name, sizeof name));
    SHOW(listen(listener, 5));
    SHOW(connect(client, (struct sockaddr *)&name, sizeof name));
    length = sizeof peer;
    int server = accept4(listener, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    CHECK(server >= 0);
    show_address("accept4", server, &peer, length);
    length = sizeof peer;
    show_address("getsockname", getsockname(server, (struct sockaddr *)&peer, &length), &peer, length);
    length = sizeof peer;
    show_address("getpeername", getpeername(client, (struct sockaddr *)&peer, &length), &peer, length);
    length = 4;
    show_address("short", getpeername(client, (struct sockaddr *)&peer, &length), &peer, 2);
    struct ucred who;
    length = sizeof who;
    SHOW(getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &length));
    printf("peer %d %d %d\n", who.pid, who.uid, who.gid);
    SHOW(dprintf(client, "hello from %d at %p", (int)getpid(), (void *)&who));
    memset(back, 0, sizeof back);
    SHOW(read(server, back, sizeof back));
    printf("%s\n", back);
    SHOW(unlink(name.sun_path));
    int a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0);
    sa_family_t none = AF_UNIX;
    SHOW(bind(b, (struct sockaddr *)&none, sizeof none));
    SHOW(bind(a, (struct sockaddr *)&name, sizeof name));
    SHOW(sendto(b, back, 30, 0, (struct sockaddr *)&name, sizeof name));
    length = sizeof peer;
    SHOW(recvfrom(a, back, sizeof back, 0, (struct sockaddr *)&peer, &length));
    printf("autobound %u %.5s\n", length, peer.sun_path + 1);
    SHOW(unlink(name.sun_path));
    return 0;
}
