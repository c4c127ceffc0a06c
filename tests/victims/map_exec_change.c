/* A file written through a mapping, which its time stamps do not show, and mapped again after an exec. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

int main(int argc, char **argv) {
    if (argc > 1) {
        unsigned char *again = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, atoi(argv[1]), 0);
        CHECK(again != MAP_FAILED);
        printf("%016lx\n", (unsigned long)hash_bytes(again, 4096));
        return 0;
    }
    char number[20], zeros[4096] = "";
    int fd = memfd_create("change", 0);
    CHECK(fd >= 0 && write(fd, zeros, sizeof zeros) == sizeof zeros);
    unsigned char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(shared != MAP_FAILED && shared[0] == 0); /* the first access sets the time stamps, writing or not */
    fill_random(shared, 4096);
    printf("%016lx\n", (unsigned long)hash_bytes(shared, 4096));
    fflush(stdout);
    snprintf(number, sizeof number, "%d", fd);
    execv("/proc/self/exe", (char *[]){argv[0], number, NULL});
    return 1;
}
