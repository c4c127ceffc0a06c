/* Numeric getaddrinfo for loopback, interface addresses and the host name. */
/* expect: exit 0 */
#include "victim.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(void) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM},
                    *list = NULL;
    const char *const names[] = {"127.0.0.1", "::1", "not-numeric"};
    for (int i = 0; i < 3; i++) {
        int result = getaddrinfo(names[i], "8080", &hints, &list);
        printf("%s %d\n", names[i], result);
        for (struct addrinfo *at = result == 0 ? list : NULL; at != NULL; at = at->ai_next) {
            char host[100], service[20];
            CHECK(getnameinfo(at->ai_addr, at->ai_addrlen, host, sizeof host, service, sizeof service,
                              NI_NUMERICHOST | NI_NUMERICSERV) == 0);
            printf("  %p family %d %s %s\n", (void *)at, at->ai_family, host, service);
        }
        if (result == 0)
            freeaddrinfo(list);
    }
    hints.ai_flags = AI_NUMERICSERV;
    int result = getaddrinfo("localhost", "80", &hints, &list);
    printf("localhost %d", result);
    for (struct addrinfo *at = result == 0 ? list : NULL; at != NULL; at = at->ai_next)
        printf(" %d", at->ai_family);
    char host[200];
    CHECK(gethostname(host, sizeof host) == 0);
    printf("\nhost %s, lo is %u\n", host, if_nametoindex("lo"));
    struct if_nameindex *all = if_nameindex();
    for (int i = 0; all != NULL && all[i].if_index != 0; i++)
        printf("%u %s\n", all[i].if_index, all[i].if_name);
    struct ifreq request = {0};
    strcpy(request.ifr_name, "lo");
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    SHOW(ioctl(fd, SIOCGIFADDR, &request));
    SHOW(ioctl(fd, SIOCGIFMTU, &request));
    printf("mtu %d\n", request.ifr_mtu);
    return 0;
}
