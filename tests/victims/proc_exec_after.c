/* A program whose recording has stopped becomes another one. */
/* expect: exit 6 */
/* recording: stops */
#include "victim.h"
#include <sys/uio.h>

int main(void) {
    puts("before");
    fflush(stdout);
    int from = 1, to = 0;
    struct iovec local = {&from, sizeof from}, remote = {&to, sizeof to};
    CHECK(process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == sizeof to);
    execl("/bin/sh", "sh", "-c", "echo after; (exit 5); exit 6", (char *)NULL);
    return to;
}
