/* cfi: the records of .eh_frame and .debug_frame, and the rows they describe (DWARF 5, section 6.4;
 * .eh_frame: Linux Standard Base Core, section 10.6; augmentation letters: the same, and GCC's unwind-dw2.c).
 *
 * A CIE holds what many functions have in common; an FDE belongs to one range of addresses and names its CIE.
 * Both hold instructions; executed up to an address they give a row: how to compute the canonical frame
 * address and where each of the caller's registers is. All of it is untrusted and read through cursors.
 *
 * Addresses are as linked. */
#ifndef REEL_DWARF_CFI_H
#define REEL_DWARF_CFI_H

#include "base/error.h"
#include "dwarf/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One section; the bytes are not owned. */
struct cfi_section {
    const uint8_t *data;
    size_t size;
    uint64_t vaddr;   /* where data begins as linked: pointers may be relative to themselves */
    bool is_eh_frame; /* else .debug_frame */
};

struct cfi_cie {
    size_t offset;              /* where it is in the section */
    uint8_t segment_size;       /* bytes of a segment selector in the FDEs; version 4 says it */
    uint8_t pointer_encoding;   /* DW_EH_PE_*, of addresses in the FDEs */
    bool has_augmentation_data; /* 'z' */
    bool signal_frame;          /* 'S' */
    uint64_t code_factor;
    int64_t data_factor;
    uint64_t return_register; /* column that holds the return address */
    size_t begin, end;        /* its instructions: offsets in the section */
};

struct cfi_fde {
    uint64_t low, high; /* [low, high) */
    size_t begin, end;  /* its instructions: offsets in the section */
};

/* How to find one of the caller's registers (DWARF 5, section 6.4.1). Zeroed: nothing is said about it. */
struct cfi_rule {
    enum cfi_rule_kind {
        CFI_UNSPECIFIED,
        CFI_UNDEFINED,      /* it is lost; the return address: there is no caller */
        CFI_SAME_VALUE,     /* it was not changed */
        CFI_OFFSET,         /* saved at CFA + offset */
        CFI_VAL_OFFSET,     /* is CFA + offset */
        CFI_REGISTER,       /* is in register `reg` */
        CFI_EXPRESSION,     /* saved at the address that the expression gives */
        CFI_VAL_EXPRESSION, /* is what the expression gives */
    } kind;
    int64_t offset;            /* bytes */
    uint64_t reg;              /* DWARF number */
    const uint8_t *expression; /* in the section, not owned */
    size_t expression_size;
};

struct cfi_row {
    uint64_t low; /* the row is true from here on */
    /* The CFA: CFI_VAL_EXPRESSION, CFI_VAL_OFFSET (register reg + offset), or CFI_UNSPECIFIED before any
     * instruction has defined it. */
    struct cfi_rule cfa;
    struct cfi_rule rules[FRAME_REGISTERS]; /* rules for other registers are read and forgotten */
    uint64_t return_register;               /* which of them is the return address */
    bool signal_frame;
    uint64_t arguments_size; /* DW_CFA_GNU_args_size, bytes */
};

/* What is at an offset of a section. ret_next is where the next record begins; it lies behind offset.
 * Padding: a zero word; it ends .eh_frame, but linkers have put more behind it. ERROR_BAD_DATA. */
enum cfi_record { CFI_RECORD_END, CFI_RECORD_PADDING, CFI_RECORD_CIE, CFI_RECORD_FDE };
struct error *cfi_read_record(const struct cfi_section *section, size_t offset, enum cfi_record *ret,
                              size_t *ret_next);

/* The FDE at this offset, and its CIE. cie comes in zeroed or as it was left by another FDE of the same
 * section: many share one, and it is read only when it is another. It is changed on failure, too, but stays
 * fit for this use. ERROR_BAD_DATA; ERROR_UNSUPPORTED: version, augmentation or address size not known. */
struct error *cfi_read_fde(const struct cfi_section *section, size_t offset, struct cfi_cie *cie,
                           struct cfi_fde *ret);

/* The row of an FDE at vaddr, which lies in it; cie is its CIE. (dwarf/cfi_row.c) ERROR_BAD_DATA,
 * ERROR_UNSUPPORTED. */
struct error *cfi_execute(const struct cfi_section *section, const struct cfi_cie *cie,
                          const struct cfi_fde *fde, uint64_t vaddr, struct cfi_row *ret);

/* ".eh_frame" or ".debug_frame", for messages. */
const char *cfi_section_name(const struct cfi_section *section);

#endif
