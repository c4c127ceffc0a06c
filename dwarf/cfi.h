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
    uint8_t address_size, segment_size; /* bytes; version 4 says them */
    uint8_t pointer_encoding;           /* DW_EH_PE_*, of addresses in the FDEs */
    uint8_t lsda_encoding;              /* DW_EH_PE_*, of language specific data in the FDEs; omit: none */
    bool has_augmentation_data;         /* 'z' */
    bool signal_frame;                  /* 'S' */
    uint64_t code_factor;
    int64_t data_factor;
    uint64_t return_register; /* column that holds the return address */
    size_t begin, end;        /* its instructions: offsets in the section */
};

struct cfi_fde {
    uint64_t low, high; /* [low, high) */
    size_t cie_offset;  /* of its CIE in the section */
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

/* What is at an offset of a section: a CIE, an FDE, or its end. ret_next is where the next record begins. */
enum cfi_record { CFI_RECORD_END, CFI_RECORD_CIE, CFI_RECORD_FDE };
struct error *cfi_read_record(const struct cfi_section *section, size_t offset, enum cfi_record *ret,
                              size_t *ret_next);

/* The CIE at this offset. ERROR_BAD_DATA, ERROR_UNSUPPORTED (augmentation, version or encoding not known). */
struct error *cfi_read_cie(const struct cfi_section *section, size_t offset, struct cfi_cie *ret);

/* The FDE at this offset. ERROR_BAD_DATA also when there is something else. cie, when not NULL, is the CIE
 * that was read last and is at *cie_offset: it is read anew, and both changed, when this FDE has another. */
struct error *cfi_read_fde(const struct cfi_section *section, size_t offset, struct cfi_cie *cie,
                           size_t *cie_offset, struct cfi_fde *ret);

/* The row of an FDE at vaddr, which lies in it. cie is its CIE. */
struct error *cfi_execute(const struct cfi_section *section, const struct cfi_cie *cie,
                          const struct cfi_fde *fde, uint64_t vaddr, struct cfi_row *ret);

#endif
