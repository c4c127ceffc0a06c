/* reads COUNT: so many reads of 64 bytes from /dev/zero. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : 20000;
    char bytes[64];
    int fd = open("/dev/zero", O_RDONLY);
    for (long i = 0; i < count; i++)
        if (read(fd, bytes, sizeof(bytes)) != sizeof(bytes))
            return 1;
    return 0;
}
