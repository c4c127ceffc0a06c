/* Touching a mapped file's page beyond its end ends the program with SIGBUS. */
/* expect: signal SIGBUS */
#include "victim.h"
#include <sys/mman.h>

int main(void) {
    int fd = random_file("crash_bus.dat", 100);
    volatile unsigned char *m = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(unlink("crash_bus.dat") == 0);
    fprintf(stderr, "pid %d %p %d %d\n", (int)getpid(), (void *)m, m[99], m[4095]);
    m[2 * 4096 + 5] = 1;
    return 0;
}
