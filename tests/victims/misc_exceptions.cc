/* C++ exceptions unwind through many frames, with destructors, rethrown and nested. */
/* expect: exit 0 */
#include "victim.h"
#include <stdexcept>
#include <string>
#include <vector>

struct Guard {
    int depth;
    static uint64_t sum;
    ~Guard() {
        sum = sum * 31 + (uintptr_t)this + (unsigned)depth;
    }
};
uint64_t Guard::sum;

static int dive(int depth, const std::string &why) {
    Guard guard{depth};
    std::vector<int> filler((size_t)depth + 1, depth);
    if (depth == 0)
        throw std::runtime_error(why);
    try {
        return dive(depth - 1, why) + filler[0];
    } catch (const std::runtime_error &error) {
        if (depth % 10 == 0)
            std::throw_with_nested(std::logic_error(why + " at " + std::to_string(depth)));
        throw;
    }
}

int main() {
    for (int i = 0; i < 200; i++) {
        unsigned char random;
        fill_random(&random, 1);
        try {
            dive(random % 60, "pid " + std::to_string(getpid()));
        } catch (const std::exception &error) {
            if (i % 20 == 0)
                printf("%s at %p\n", error.what(), (const void *)&error);
        }
    }
    try {
        std::vector<int>(3).at(getpid() > 0 ? 5 : 0) = 1;
    } catch (...) {
        printf("caught %016lx\n", (unsigned long)Guard::sum);
    }
    return 0;
}
