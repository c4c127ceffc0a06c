/* What /proc tells about this process and its machine is the recorded text. */
/* expect: exit 0 */
#include "victim.h"

int main(void) {
    static const char *const files[] = {"/proc/self/stat",
                                        "/proc/self/status",
                                        "/proc/self/maps",
                                        "/proc/self/smaps_rollup",
                                        "/proc/self/cmdline",
                                        "/proc/self/environ",
                                        "/proc/self/auxv",
                                        "/proc/self/limits",
                                        "/proc/self/comm",
                                        "/proc/self/wchan",
                                        "/proc/self/io",
                                        "/proc/self/syscall",
                                        "/proc/self/mountinfo",
                                        "/proc/uptime",
                                        "/proc/loadavg",
                                        "/proc/meminfo",
                                        "/proc/stat",
                                        "/proc/interrupts",
                                        "/proc/cpuinfo",
                                        "/proc/sys/kernel/random/uuid",
                                        "/proc/self/timerslack_ns"};
    static char text[1 << 18];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        int fd = open(files[i], O_RDONLY);
        ssize_t got = -1, total = 0;
        while (fd >= 0 && (got = read(fd, text + total, sizeof text - (size_t)total)) > 0)
            total += got;
        printf("%s: %zd bytes %016lx first %.20s\n", files[i], total,
               (unsigned long)hash_bytes(text, (size_t)total), total > 0 && text[0] >= ' ' ? text : "-");
        if (fd >= 0)
            close(fd);
    }
    return 0;
}
