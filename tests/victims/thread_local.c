/* What each thread has of its own: names, thread-local variables, keys with destructors, errno, stacks,
 * priorities. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static __thread int mine = 3;
static __thread char text[100];
static pthread_key_t key;

static void destroy(void *value) {
    printf("destroyed %d\n", *(int *)value);
    free(value);
}

static void *work(void *argument) {
    int me = (int)(intptr_t)argument;
    char name[16] = "", path[64], comm[32] = "";
    int *value = malloc(sizeof *value);
    *value = me * 10;
    mine += me;
    snprintf(text, sizeof text, "text of %d", me);
    CHECK(pthread_setspecific(key, value) == 0);
    snprintf(name, sizeof name, "worker%d", me);
    if (me % 2)
        CHECK(pthread_setname_np(pthread_self(), name) == 0);
    else
        CHECK(prctl(PR_SET_NAME, name) == 0);
    usleep(500);
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", gettid());
    int fd = open(path, O_RDWR);
    CHECK(fd >= 0 && read(fd, comm, sizeof comm) > 0);
    CHECK(strncmp(comm, name, strlen(name)) == 0);
    CHECK(write(fd, "other", 5) == 5 && prctl(PR_GET_NAME, name) == 0);
    close(fd);
    pthread_attr_t attributes;
    void *stack;
    size_t size;
    CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
    pthread_attr_getstack(&attributes, &stack, &size);
    pthread_attr_destroy(&attributes);
    SHOW(setpriority(PRIO_PROCESS, 0, me));
    SHOW(getpriority(PRIO_PROCESS, 0));
    printf("%d: %s, mine %d, %s, stack %p+%zu, tid %d, tls %p\n", me, name, mine, text, stack, size, gettid(),
           (void *)&mine);
    return NULL;
}

int main(void) {
    pthread_t threads[4];
    cpu_set_t set;
    struct sched_param parameters;
    int policy;
    CHECK(pthread_key_create(&key, destroy) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i) == 0);
    CPU_ZERO(&set);
    for (int i = 0; i < 8; i++)
        CPU_SET(i, &set);
    SHOW(pthread_setaffinity_np(threads[0], sizeof set, &set));
    SHOW(sched_setaffinity(0, sizeof set, &set));
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
    printf("%d processors, on %d\n", CPU_COUNT(&set), sched_getcpu());
    SHOW(pthread_getschedparam(threads[1], &policy, &parameters));
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    SHOW(syscall(SYS_membarrier, 0, 0, 0));
    printf("mine %d, text '%s'\n", mine, text);
    return 0;
}
