/* Every clock, through libc (vDSO) and through the raw system call, tells the recorded time. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

int main(void) {
    for (clockid_t clock = 0; clock < 13; clock++) {
        struct timespec a = {-1, -1}, b = {-1, -1}, step = {-1, -1};
        int libc = clock_gettime(clock, &a);
        long raw = syscall(SYS_clock_gettime, clock, &b);
        int resolution = clock_getres(clock, &step);
        printf("%d: %d %ld.%09ld  raw %ld %ld.%09ld  res %d %ld.%09ld\n", clock, libc, (long)a.tv_sec,
               a.tv_nsec, raw, (long)b.tv_sec, b.tv_nsec, resolution, (long)step.tv_sec, step.tv_nsec);
    }
    struct timeval tv;
    struct timezone zone = {-1, -1};
    CHECK(gettimeofday(&tv, NULL) == 0);
    printf("gettimeofday %ld.%06ld\n", (long)tv.tv_sec, (long)tv.tv_usec);
    CHECK(syscall(SYS_gettimeofday, &tv, &zone) == 0);
    printf("raw %ld.%06ld zone %d %d\n", (long)tv.tv_sec, (long)tv.tv_usec, zone.tz_minuteswest,
           zone.tz_dsttime);
    time_t now = 0, seconds = time(&now);
    printf("time %ld %ld raw %ld\n", (long)seconds, (long)now, syscall(SYS_time, &now));
    struct tms used;
    clock_t ticks = times(&used);
    printf("times %ld user %ld system %ld\n", (long)ticks, (long)used.tms_utime, (long)used.tms_stime);
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    printf("rusage %ld.%06ld %ld.%06ld maxrss %ld faults %ld %ld switches %ld %ld\n",
           (long)usage.ru_utime.tv_sec, (long)usage.ru_utime.tv_usec, (long)usage.ru_stime.tv_sec,
           (long)usage.ru_stime.tv_usec, usage.ru_maxrss, usage.ru_minflt, usage.ru_majflt, usage.ru_nvcsw,
           usage.ru_nivcsw);
    CHECK(getrusage(RUSAGE_CHILDREN, &usage) == 0 && getrusage(RUSAGE_THREAD, &usage) == 0);
    printf("thread %ld.%06ld, clock() %ld\n", (long)usage.ru_utime.tv_sec, (long)usage.ru_utime.tv_usec,
           (long)clock());
    clockid_t mine;
    CHECK(clock_getcpuclockid(0, &mine) == 0);
    struct timespec cpu;
    CHECK(clock_gettime(mine, &cpu) == 0);
    printf("cpu clock %d %ld.%09ld\n", mine, (long)cpu.tv_sec, cpu.tv_nsec);
    char text[64];
    strftime(text, sizeof text, "%F %T %Z", localtime(&now));
    printf("%s\n", text);
    SHOW(clock_gettime(999, &cpu));
    return 0;
}
