// C++ programs that give up: exceptions KIND.
#include "fact.h"

#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

namespace shop {
struct closed : std::runtime_error {
    int hour;
    closed(int hour_) : std::runtime_error("closed at this hour"), hour(hour_) {
    }
};
// what() of its own, from a member
struct lost : std::exception {
    std::string text;
    explicit lost(const char *text_) : text(text_) {
    }
    const char *what() const noexcept override {
        return text.c_str();
    }
};
struct fixed : std::exception {
    const char *what() const noexcept override {
        return "always the same";
    }
};
} // namespace shop

static CALLED void sell(int count) {
    FACT("argument", "[\"sell\", \"count\", %d]", count);
    throw shop::closed(count);
}

static CALLED void sell_quietly(int count) {
    throw shop::closed(count);
}

static void crash_throw() {
    FACT_TEXT("exception", "shop::closed");
    FACT_TEXT("what", "closed at this hour");
    FACT("stack", "[\"abort\", \"sell\", \"crash_throw\", \"main\"]");
    sell(23);
}
static void crash_standard() {
    FACT_TEXT("exception", "std::out_of_range");
    FACT_TEXT("what_has", "which is 9");
    std::string("short").at(9);
}
static void crash_alloc() {
    FACT_TEXT("exception", "std::bad_alloc");
    FACT_TEXT("what", "std::bad_alloc");
    throw std::bad_alloc();
}
static void crash_own_what() {
    FACT_TEXT("exception", "shop::lost");
    FACT_TEXT("what", "the key to the shop");
    throw shop::lost("the key to the shop");
}
static void crash_fixed_what() {
    FACT_TEXT("exception", "shop::fixed");
    FACT_TEXT("what", "always the same");
    throw shop::fixed();
}
static void crash_system() {
    FACT_TEXT("exception", "std::system_error");
    FACT_TEXT("what_has", "No such file or directory");
    throw std::system_error(ENOENT, std::generic_category(), "opening the shop");
}
static void crash_number() {
    FACT_TEXT("exception", "int");
    throw 42;
}
static void crash_thread() {
    FACT_TEXT("exception", "shop::closed");
    FACT_TEXT("what", "closed at this hour");
    FACT("threads", "2");
    std::thread([] {
        FACT("tid", "%d", (int)gettid());
        sell(4);
    }).join();
}
static void nothing_leaves() noexcept {
    sell_quietly(5);
}
static void crash_noexcept() {
    FACT_TEXT("exception", "shop::closed");
    FACT("stack", "[\"abort\", \"nothing_leaves\", \"crash_noexcept\", \"main\"]");
    nothing_leaves();
}
static void crash_rethrow() {
    std::exception_ptr kept;
    FACT_TEXT("exception", "shop::closed");
    FACT_TEXT("what", "closed at this hour");
    try {
        sell_quietly(6);
    } catch (...) {
        kept = std::current_exception();
    }
    std::rethrow_exception(kept);
}
static void crash_terminate() {
    FACT_TEXT("message", "std::terminate() without an active exception");
    FACT("stack", "[\"abort\", \"crash_terminate\", \"main\"]");
    std::terminate();
}
// an abort while an exception is handled is not about that exception
static void crash_abort_in_catch() {
    FACT("no", "\"exception\"");
    try {
        sell_quietly(7);
    } catch (...) {
        abort();
    }
}

struct base {
    base() {
        call();
    }
    virtual ~base() {
    }
    CALLED void call() {
        pure();
    }
    virtual void pure() = 0;
};
struct derived : base {
    void pure() override {
    }
};
static void crash_pure() {
    FACT_TEXT("message", "pure virtual method called");
    derived object;
}

static const struct {
    const char *name;
    void (*crash)();
} kinds[] = {
    {"throw", crash_throw},       {"standard", crash_standard},     {"alloc", crash_alloc},
    {"own_what", crash_own_what}, {"fixed_what", crash_fixed_what}, {"system", crash_system},
    {"number", crash_number},     {"thread", crash_thread},         {"noexcept", crash_noexcept},
    {"rethrow", crash_rethrow},   {"terminate", crash_terminate},   {"abort_in_catch", crash_abort_in_catch},
    {"pure", crash_pure},
};

int main(int argc, char **argv) {
    for (auto &kind : kinds)
        if (argc == 2 && !strcmp(argv[1], kind.name)) {
            FACT_TEXT("signal", "SIGABRT");
            FACT("pid", "%d", (int)getpid());
            kind.crash();
            return 1;
        }
    for (auto &kind : kinds)
        if (argc == 1)
            puts(kind.name);
    return argc != 1;
}
