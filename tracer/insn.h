/* insn: the instructions whose result the program cannot compute for itself, found in code and imitated.
 *
 * rdtsc and its kin read the machine. Where the processor cannot be told to trap them (PR_SET_TSC and CPUID
 * faulting do nothing on many VMs), the first two bytes of each are replaced by ud2 when its code is mapped;
 * the SIGILL that follows brings the tracer in. Source of encodings: Intel SDM volume 2, AMD APM volume 3. */
#ifndef REEL_TRACER_INSN_H
#define REEL_TRACER_INSN_H

#include "base/error.h"
#include "base/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/user.h>

enum trapped_instruction {
    INSN_NONE,
    INSN_RDTSC,
    INSN_RDTSCP,
    INSN_RDRAND,
    INSN_RDSEED,
    INSN_RDPID,
    INSN_CPUID,
    INSN_VDSO, /* a system call of the vdso that a filter would judge: see vdso_answer() */
    INSN_KIND_END
};

/* "rdtsc", ... Static storage. */
const char *trapped_instruction_name(enum trapped_instruction kind);

#define INSN_MAX 15

/* One instruction to trap. */
struct insn_site {
    uint64_t address;
    enum trapped_instruction kind;
    uint8_t length;
    uint8_t bytes[INSN_MAX]; /* the original */
};

struct insn_sites {
    struct insn_site *sites; /* sorted by address */
    size_t count, room;
};

void insn_sites_deinit(struct insn_sites *sites);

/* Add a copy of site, keeping the order. A site at that address is replaced. */
struct error *insn_sites_add(struct insn_sites *sites, const struct insn_site *site);

/* Site at this address, or NULL. */
const struct insn_site *insn_sites_find(const struct insn_sites *sites, uint64_t address);

/* Forget the sites in [start, end) (unmapped or mapped over). */
void insn_sites_remove(struct insn_sites *sites, uint64_t start, uint64_t end);

/* Classify the instruction at the start of bytes; INSN_NONE for any other. */
enum trapped_instruction insn_classify(const uint8_t *bytes, size_t size, uint8_t *ret_length);

/* Find trapped instructions in code[0..size), which is (or will be) at `address`, and add them to sites.
 * Candidates are found by byte pattern and confirmed by decoding from the nearest instruction start known to
 * be good: `starts` are function starts (addresses as mapped, sorted: elf_function_starts()). A candidate
 * that no start before it leads to is decoded to from a linear sweep of the gap, and taken when the sweep
 * meets it exactly. */
struct error *insn_scan(const uint8_t *code, size_t size, uint64_t address, const uint64_t *starts,
                        size_t start_count, struct insn_sites *sites);

/* Do what the instruction would have done, with real values of this machine, on regs: result registers, flags
 * where it sets them (rdrand), and rip behind it. cpuid hides what cannot be replayed: RTM and HLE
 * (transactions abort at random). INSN_VDSO needs memory, and is not its business. */
void insn_imitate(const struct insn_site *site, struct user_regs_struct *regs);

#endif
