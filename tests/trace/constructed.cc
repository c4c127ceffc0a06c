// thread_local of C++, with constructors, in two threads.
// recording: no
#include "say.h"

#include <thread>

struct counter {
    int count;
    explicit counter(int from) : count(from) {}
};

thread_local counter shared(gettid() ? 50 : 0); // constructed when a thread uses it first

CALLED int step(int by) {
    thread_local int total = 5;
    EXPECT("call step by=%d", by);
    total += by;
    EXPECT("assign step.total %d", total);
    shared.count += total;
    EXPECT("return step %d", shared.count);
    return shared.count;
}
static void work(int from) {
    step(from);
    step(from * 2);
}
int main() {
    std::thread other(work, 3);
    work(1);
    other.join();
    std::thread third(work, 4);
    third.join();
    return shared.count == 0;
}
