/* fuzz_crash: a crashed process of any bytes at all: its registers, its stack, its code, its exceptions.
 *
 * Built with -fsanitize=fuzzer this is a libFuzzer target. Built with -DFUZZ_SMOKE it is a program of its own
 * that runs random processes for a while, the same ones every time: fuzz_crash SEED ROUNDS */
#include "tests/fuzz/smoke.h"
#include "tracer/crash_state.h"
#include "tracer/cxx_exception.h"
#include "tracer/pure_call.h"

#include <sys/mman.h>

#define BASE  0x400000ull /* the input lies there again and again, a page each */
#define PAGES 16ull

struct input {
    const uint8_t *data;
    size_t size;
};

static size_t read_input(void *context, uint64_t address, void *ret, size_t size) {
    const struct input *input = context;
    size_t count = 0;
    for (; count < size && address + count >= BASE && address + count < BASE + PAGES * 4096; count++)
        ((uint8_t *)ret)[count] = input->data[(address + count) % 4096 % input->size];
    return count;
}

static bool answer(void *context, uint64_t function, uint64_t argument, uint64_t *ret) {
    (void)context;
    *ret = argument;
    return function % 64 == 0;
}

static void walk(struct crash *crash, const struct user_regs_struct *regs) {
    struct crash_thread thread = {.has_registers = true, .regs = *regs};
    struct error *err = crash_stack(crash, &thread, 20, 5);
    require(!err, "an error of a stack that is only damaged");
    require(thread.frame_count <= 25 && thread.frame_count <= thread.depth, "too many frames");
    require(thread.frame_count >= 1, "no frame at all");
    err = crash_symbolize(crash, &thread);
    require(!err, "an error of names");
    crash_thread_deinit(&thread);
}

static void exceptions(const struct memory_reader *memory, uint64_t address) {
    char text[256];
    uint64_t type, object;
    if (cxx_exception_object(memory, address, &type, &object) &&
        cxx_type_name(memory, type, text, sizeof(text)))
        require(strlen(text) < sizeof(text), "a name without an end");
    if (cxx_exception_text(memory, address, address + 16, text, sizeof(text)))
        require(strlen(text) < sizeof(text), "a text without an end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    struct mapping mappings[] = {
        {.start = BASE, .end = BASE + 4 * 4096, .protection = PROT_READ | PROT_EXEC, .name = "code"},
        {.start = BASE + 4 * 4096,
         .end = BASE + PAGES * 4096,
         .protection = PROT_READ | PROT_WRITE,
         .name = ""}};
    struct crash crash = {.reader = {.read = read_input, .context = &input},
                          .maps = {.mappings = mappings, .count = 2},
                          .deadline = UINT64_MAX,
                          .text_left = CRASH_TEXT};
    struct user_regs_struct regs;
    uint64_t result = 0;
    if (size < sizeof(regs))
        return 0;
    memcpy(&regs, data, sizeof(regs));
    regs.rip = BASE + regs.rip % (5 * 4096);
    regs.rsp = BASE + (regs.rsp % (PAGES * 4096) & ~7ull);
    regs.rbp = regs.rsp + (regs.rbp % 512 & ~7ull);
    walk(&crash, &regs);
    enum crash_access access = crash_access(&crash, &regs, regs.rax % 2, regs.rdi, &result);
    require(access <= ACCESS_EXECUTE, "no kind of access");
    char *code = crash_disassemble(&crash, &regs);
    require(!code || strstr(code, "=> "), "instructions without the one that counts");
    free(code);
    const struct pure_call call = {
        .memory = &crash.reader, .argument = regs.rdi, .stack = regs.rsp, .fs_base = BASE, .answer = answer};
    pure_call(&call, regs.rip, &result);
    exceptions(&crash.reader, regs.rsp);
    return 0;
}

#ifdef FUZZ_SMOKE

/* Instructions that pure_call() knows, so that it gets somewhere. */
static const char *const instructions[] = {"\x55",
                                           "\x48\x89\xe5",
                                           "\x48\x8b\x47\x08",
                                           "\x48\x8d\x05\x10\x00\x00\x00",
                                           "\xe8\x10\x00\x00\x00",
                                           "\x5d",
                                           "\xc3",
                                           "\xc9",
                                           "\x48\x83\xec\x08",
                                           "\x74\x02",
                                           "\x48\x39\xff",
                                           "\x48\x8b\x00",
                                           "\xff\xd0",
                                           "\x48\x89\x7d\xf8"};

int main(int argc, char **argv) {
    uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000;
    uint8_t data[1024];
    smoke_state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    for (uint64_t round = 0; round < rounds; round++) {
        size_t size = 256 + next_random() % (sizeof(data) - 256);
        for (size_t i = 0; i < size; i++)
            data[i] = (uint8_t)next_random();
        for (size_t at = sizeof(struct user_regs_struct); round % 2 && at + 8 < size;) {
            const char *instruction =
                instructions[next_random() % (sizeof(instructions) / sizeof(instructions[0]))];
            size_t length = strlen(instruction) ? strlen(instruction) : 1;
            memcpy(data + at, instruction, length);
            at += length;
        }
        for (int i = 0; i < 16; i++) { /* pointers into it */
            uint64_t pointer = BASE + next_random() % (PAGES * 4096);
            smoke_poke(data, size, (struct area){0, size}, next_random() % 4 ? pointer : nasty_number());
        }
        LLVMFuzzerTestOneInput(data, size);
    }
    printf("%llu processes\n", (unsigned long long)rounds);
    return 0;
}

#endif
