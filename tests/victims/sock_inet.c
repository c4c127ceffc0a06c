/* TCP and UDP over loopback within one process: ephemeral ports, options, non-blocking connect, shutdown. */
/* expect: exit 0 */
#include "victim.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

static void show_name(const char *what, const struct sockaddr_in *address, socklen_t length) {
    printf("%s %s:%d length %u\n", what, inet_ntoa(address->sin_addr), ntohs(address->sin_port), length);
}

int main(void) {
    struct sockaddr_in name = {.sin_family = AF_INET}, peer;
    socklen_t length = sizeof name;
    unsigned char bytes[50000], back[60000];
    int one = 1, value = 0;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one));
    CHECK(bind(listener, (struct sockaddr *)&name, sizeof name) == 0 && listen(listener, 8) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&name, &length) == 0);
    show_name("listener", &name, length);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    SHOW(connect(client, (struct sockaddr *)&name, sizeof name));
    struct pollfd wait = {.fd = client, .events = POLLOUT};
    SHOW(poll(&wait, 1, -1));
    length = sizeof value;
    SHOW(getsockopt(client, SOL_SOCKET, SO_ERROR, &value, &length));
    length = sizeof peer;
    int server = accept4(listener, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC);
    CHECK(server >= 0);
    show_name("accepted", &peer, length);
    SHOW(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
    length = sizeof value;
    SHOW(getsockopt(client, SOL_SOCKET, SO_RCVBUF, &value, &length));
    struct tcp_info info;
    length = sizeof info;
    SHOW(getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &length));
    printf("rcvbuf %d rtt %u mss %u length %u\n", value, info.tcpi_rtt, info.tcpi_snd_mss, length);
    fill_random(bytes, sizeof bytes);
    SHOW(send(client, bytes, 30000, 0));
    SHOW(recv(server, back, 30000, MSG_WAITALL));
    printf("%016lx\n", (unsigned long)hash_bytes(back, 30000));
    SHOW(recv(client, back, 10, 0));
    SHOW(shutdown(client, SHUT_WR));
    SHOW(recv(server, back, 10, 0));
    length = sizeof peer;
    SHOW(getpeername(client, (struct sockaddr *)&peer, &length));
    show_name("peer", &peer, length);
    int udp = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0);
    name.sin_port = 0;
    length = sizeof name;
    CHECK(bind(udp, (struct sockaddr *)&name, sizeof name) == 0);
    CHECK(getsockname(udp, (struct sockaddr *)&name, &length) == 0);
    SHOW(sendto(sender, bytes, 1200, 0, (struct sockaddr *)&name, sizeof name));
    length = sizeof peer;
    SHOW(recvfrom(udp, back, 700, MSG_TRUNC, (struct sockaddr *)&peer, &length));
    show_name("sender", &peer, length);
    printf("%016lx\n", (unsigned long)hash_bytes(back, 700));
    return 0;
}
