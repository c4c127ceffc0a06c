/* A profile timer of 1 kHz over seconds of mixed computation (10 with SOAK): integers, strings, sorting,
 * calls. */
/* expect: exit 0 */
/* flags: -lm */
#include "victim.h"
#include <math.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

static volatile int count;
static uint64_t samples = 1;
static uint64_t sum;
static double real;
static volatile unsigned step;

static void on_profile(int signo) {
    (void)signo;
    count++;
    samples = (samples ^ sum ^ step) * 0x100000001b3ull;
    samples ^= (uint64_t)(real * 1000);
}

static int compare(const void *a, const void *b) {
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return x < y ? -1 : x > y;
}

static uint64_t fibonacci(unsigned n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static void integers(void) {
    for (unsigned i = 0; i < 300000; i++)
        sum = sum * 6364136223846793005ull + i;
}

static void strings(void) {
    char text[4096], copy[4096];
    for (unsigned i = 0; i < 300; i++) {
        memset(text, 'a' + (int)(i % 26), sizeof(text) - 1);
        text[sizeof(text) - 1] = 0;
        memcpy(copy, text, sizeof(copy));
        sum += strlen(copy) + (unsigned char)*strchr(copy, text[i]);
    }
}

static void sorting(void) {
    static unsigned numbers[4096];
    for (unsigned i = 0; i < 4096; i++)
        numbers[i] = (unsigned)(sum >> (i % 32)) * (i + 1);
    qsort(numbers, 4096, sizeof(numbers[0]), compare);
    sum += numbers[7];
}

static void reals(void) {
    for (unsigned i = 1; i < 20000; i++)
        real = real * 0.999 + sin(i) * sqrt(i);
}

static void heap(void) {
    void *blocks[64] = {0};
    for (unsigned i = 0; i < 3000; i++) {
        free(blocks[i % 64]);
        blocks[i % 64] = malloc(16 + i % 500);
        memset(blocks[i % 64], (int)i, 16);
    }
    for (unsigned i = 0; i < 64; i++)
        free(blocks[i]);
}

int main(void) {
    const struct itimerval timer = {{0, 1000}, {0, 1000}};
    struct sigaction action = {.sa_handler = on_profile, .sa_flags = SA_RESTART};
    double seconds = getenv("SOAK") && *getenv("SOAK") ? 10 : 1;
    CHECK(sigaction(SIGPROF, &action, NULL) == 0 && setitimer(ITIMER_PROF, &timer, NULL) == 0);
    for (clock_t begin = clock(); step % 200 || (double)(clock() - begin) < seconds * CLOCKS_PER_SEC;) {
        step++;
        integers();
        strings();
        sorting();
        reals();
        heap();
        sum += fibonacci(20);
    }
    printf("%d signals, %u rounds, %llx %llx %.6f\n", count, step, (unsigned long long)samples,
           (unsigned long long)sum, real);
    return 0;
}
