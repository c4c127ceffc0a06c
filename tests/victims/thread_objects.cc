/* C++: threads, futures, thread-local objects, exceptions that cross threads, a call once. */
/* expect: exit 0 */
#include "victim.h"
#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

struct Noisy {
    int id = -1;
    ~Noisy() {
        printf("end of %d\n", id);
    }
};
static thread_local Noisy noisy;
static std::once_flag once;
static std::atomic<long> sum{0};

static long work(int id, long count) {
    noisy.id = id;
    std::call_once(once, [id] { printf("once, by %d\n", id); });
    for (long i = 0; i < count; i++) {
        sum += i;
        if (i % 1000 == 0)
            std::this_thread::yield();
    }
    if (id == 2)
        throw std::runtime_error("from thread " + std::to_string(id));
    return count * id;
}

int main() {
    std::vector<std::future<long>> futures;
    for (int i = 0; i < 5; i++)
        futures.push_back(std::async(std::launch::async, work, i, 5000L));
    for (auto &future : futures) {
        try {
            printf("result %ld\n", future.get());
        } catch (const std::exception &error) {
            printf("caught %s\n", error.what());
        }
    }
    std::mutex mutex;
    std::condition_variable changed;
    int state = 0;
    std::thread ping([&] {
        for (int i = 0; i < 100; i++) {
            std::unique_lock<std::mutex> lock(mutex);
            changed.wait(lock, [&] { return state % 2 == 1; });
            state++;
            changed.notify_all();
        }
    });
    for (int i = 0; i < 100; i++) {
        std::unique_lock<std::mutex> lock(mutex);
        state++;
        changed.notify_all();
        changed.wait(lock, [&] { return state % 2 == 0; });
    }
    ping.join();
    printf("state %d sum %ld\n", state, sum.load());
    return 0;
}
