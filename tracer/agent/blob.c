/* The agent: the code of reel that runs inside of a traced process. Freestanding, position independent, without data
 * of its own (the linker script refuses it); compiled without vector registers and linked to one binary image, whose
 * first bytes are a struct agent_image.
 *
 * It is called from emitted code on the program's own stack, which has saved rax and r11 (and flags). The stubs save
 * everything else that C may change. It never allocates, takes no lock, and touches none of the program's memory but
 * through the kernel, or where it is known to be readable. */
#include "tracer/agent/agent_mute.h"

#define STUB(name, function)                                                                                 \
    __asm__(".pushsection .text.head, \"ax\"\n" name ":\n"                                                   \
            "push %rcx\n push %rdx\n push %rsi\n push %rdi\n push %r8\n push %r9\n push %r10\n"        \
            "push %r11\n push %rbp\n mov %rsp, %rbp\n and $-16, %rsp\n"                                      \
            "mov %rax, %rdi\n mov %r11, %rsi\n mov %rbp, %rdx\n"                                             \
            "call " function "\n"                                                                            \
            "mov %rbp, %rsp\n pop %rbp\n pop %r11\n pop %r10\n pop %r9\n pop %r8\n pop %rdi\n pop %rsi\n"    \
            "pop %rdx\n pop %rcx\n ret\n"                                                                    \
            ".popsection\n")

/* Linked at address 0: these are offsets. */
__asm__(".pushsection .text.head, \"ax\"\n"
        ".long 0x4c454552, 2\n"
        ".quad stub_drop, stub_wait, stub_text, stub_judge, stub_passed\n"
        ".popsection\n");
/* Only rax and flags are changed, which have been saved: this is the way of all hits when nobody drains. */
__asm__(".pushsection .text.head, \"ax\"\nstub_drop:\n"
        "mov %gs:0x00, %rax\n mov %rax, %gs:0x38\n incq %gs:0x30\n xor %eax, %eax\n ret\n"
        ".popsection\n");
_Static_assert(AGENT_HEAD == 0x00 && AGENT_GAP == 0x38 && AGENT_DROPPED == 0x30, "stub_drop");
STUB("stub_wait", "agent_wait");
STUB("stub_text", "agent_text");
STUB("stub_judge", "agent_judge");
STUB("stub_passed", "agent_passed");

/* What the stubs have pushed, the last first. */
struct pushed {
    uint64_t rbp, r11, r10, r9, r8, rdi, rsi, rdx, rcx;
};

/* How long to wait for a tracer that shows no sign of life: in loops of a `pause`, some 50 ns each. */
#define PATIENCE 20000000u
#define AT(offset) (*(volatile uint64_t __seg_gs *)(uint64_t)(offset))

uint32_t agent_drop(void);
uint32_t agent_wait(void);
void agent_text(uint64_t address, uint8_t *record);
uint32_t agent_judge(uint64_t rsp, const struct agent_rule *rule, const struct pushed *pushed);
uint32_t agent_passed(uint64_t rsp, uint64_t leaves);

uint32_t agent_drop(void) {
    AT(AGENT_GAP) = AT(AGENT_HEAD);
    AT(AGENT_DROPPED) = AT(AGENT_DROPPED) + 1;
    return 0;
}

/* No system call: a filter of the program's own might kill it. */
uint32_t agent_wait(void) {
    uint64_t beat = AT(AGENT_BEAT), head = AT(AGENT_HEAD);
    uint32_t left = PATIENCE;
    while (head > AT(AGENT_LIMIT)) {
        if (AT(AGENT_BEAT) != beat) {
            beat = AT(AGENT_BEAT);
            left = PATIENCE;
        }
        if (!beat || !left--)
            return agent_drop();
        __builtin_ia32_pause();
    }
    return 1;
}

/* ---- strings ---- */

#define SYS_process_vm_readv 310
#define PAGE                 4096u

struct vector {
    uint64_t base, size;
};

static int64_t read_by_kernel(uint64_t pid, void *to, uint64_t from, uint64_t size) {
    /* each page a vector of its own, as only whole ones are copied when one fails */
    uint64_t first = PAGE - from % PAGE;
    struct vector local = {(uint64_t)to, size};
    struct vector remote[4] = {{from, size < first ? size : first}};
    uint64_t count = 1, done = remote[0].size;
    for (; done < size && count < 4; count++) {
        uint64_t part = size - done < PAGE ? size - done : PAGE;
        remote[count] = (struct vector){from + done, part};
        done += part;
    }
    int64_t result;
    register uint64_t r10 __asm__("r10") = (uint64_t)remote;
    register uint64_t r8 __asm__("r8") = count;
    register uint64_t r9 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(SYS_process_vm_readv), "D"(pid), "S"(&local), "d"(1ull), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/* Bytes from address on that can be read without asking, as nothing takes them away while this thread is here. */
static uint64_t readable(uint64_t address) {
    uint64_t here = (uint64_t)__builtin_frame_address(0);
    if (address > here && here >= AT(AGENT_LOW) && address < AT(AGENT_HIGH))
        return AT(AGENT_HIGH) - address;
    for (unsigned i = 0; i < AGENT_CONSTANT_MOST; i++) {
        uint64_t start = AT(AGENT_CONSTANTS + 16 * i), end = AT(AGENT_CONSTANTS + 16 * i + 8);
        if (address >= start && address < end)
            return end - address;
    }
    return 0;
}

/* record: the string's place, whose first four bytes hold the size of its room. The bytes up to the NUL, which
 * counts, or as many as there is room for. */
void agent_text(uint64_t address, uint8_t *record) {
    uint32_t *length = (uint32_t *)record;
    uint8_t *to = record + AGENT_TEXT_HEAD;
    uint64_t room = *length, known = readable(address), i = 0;
    if (known < room) {
        int64_t got = address ? read_by_kernel(AT(AGENT_PID), to, address, room) : 0;
        if (got <= 0) {
            *length = AGENT_TEXT_UNREADABLE;
            return;
        }
        while (i < (uint64_t)got && to[i])
            i++;
        room = (uint64_t)got;
    } else {
        for (; i < room; i++)
            if (!(to[i] = ((const uint8_t *)address)[i]))
                break;
    }
    *length = (uint32_t)(i < room ? i + 1 : room);
}

/* ---- which calls are noted ---- */

uint32_t agent_judge(uint64_t rsp, const struct agent_rule *rule, const struct pushed *pushed) {
    struct agent_block *block = (struct agent_block *)AT(AGENT_SELF);
    uint64_t *frames = (uint64_t *)block->frames;
    const struct agent_arguments arguments = {
        {pushed->rdi, pushed->rsi, pushed->rdx, pushed->rcx, pushed->r8, pushed->r9}};
    if (!agent_mute_in_stack(block, rsp))
        return 1;
    if (!agent_mute_enter(block, frames, rsp))
        return 0;
    return !rule || (uint32_t)agent_mute_decide(block, frames, (uint64_t *)block->counters, rsp, rule, &arguments);
}

uint32_t agent_passed(uint64_t rsp, uint64_t leaves) {
    struct agent_block *block = (struct agent_block *)AT(AGENT_SELF);
    return !agent_mute_in_stack(block, rsp) ||
           (uint32_t)agent_mute_pass(block, (uint64_t *)block->frames, rsp, leaves != 0);
}
