/* Who and where the program is: ids, groups, limits, the machine and its load, as recorded. */
/* expect: exit 0 */
#include "victim.h"
#include <sched.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

int main(void) {
    uid_t r, e, s;
    gid_t groups[64];
    printf("pid %d ppid %d tid %d pgid %d sid %d pgrp %d\n", (int)getpid(), (int)getppid(), (int)gettid(),
           (int)getpgid(0), (int)getsid(0), (int)getpgrp());
    printf("uid %u %u gid %u %u\n", getuid(), geteuid(), getgid(), getegid());
    CHECK(getresuid(&r, &e, &s) == 0);
    printf("resuid %u %u %u\n", r, e, s);
    CHECK(getresgid(&r, &e, &s) == 0);
    printf("resgid %u %u %u\n", r, e, s);
    int count = getgroups(64, groups);
    printf("groups %d %016lx\n", count, (unsigned long)hash_bytes(groups, (size_t)count * sizeof *groups));
    struct rlimit64 limit, lower;
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        CHECK(prlimit64(0, (enum __rlimit_resource)i, NULL, &limit) == 0);
        printf("limit %d %lx %lx\n", i, (long)limit.rlim_cur, (long)limit.rlim_max);
    }
    lower = limit;
    SHOW(prlimit64(0, RLIMIT_RTTIME, &lower, &limit));
    SHOW(umask(027));
    SHOW(umask(022));
    struct utsname name;
    CHECK(uname(&name) == 0);
    printf("%s %s %s %s %s %s\n", name.sysname, name.nodename, name.release, name.version, name.machine,
           name.domainname);
    struct sysinfo info;
    CHECK(sysinfo(&info) == 0);
    printf("up %ld load %lu free %lu procs %u\n", info.uptime, info.loads[0], info.freeram, info.procs);
    cpu_set_t cpus;
    SHOW(sched_getaffinity(0, sizeof cpus, &cpus));
    printf("%d processors\n", CPU_COUNT(&cpus));
    SHOW(sched_setaffinity(0, sizeof cpus, &cpus));
    SHOW(syscall(SYS_sched_getaffinity, 0, sizeof cpus, &cpus));
    struct sched_param param = {-1};
    struct timespec slice = {-1, -1};
    SHOW(sched_getparam(0, &param));
    SHOW(sched_getscheduler(0));
    SHOW(sched_rr_get_interval(0, &slice));
    SHOW(sched_get_priority_max(SCHED_FIFO));
    printf("priority %d slice %ld\n", param.sched_priority, slice.tv_nsec);
    SHOW(getpriority(PRIO_PROCESS, 0));
    SHOW(nice(1));
    SHOW(personality(0xffffffff));
    SHOW(syscall(SYS_ioprio_get, 1, 0));
    SHOW(sysconf(_SC_AVPHYS_PAGES));
    SHOW(sysconf(_SC_NPROCESSORS_ONLN));
    SHOW(setpgid(0, 0) == 0 || errno == EPERM);
    SHOW(getpgrp() == getpid());
    return 0;
}
