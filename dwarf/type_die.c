#include "dwarf/type_die.h"

#include "dwarf/type_private.h"

#include <inttypes.h>
#include <string.h>

/* libdwarf hands out an error with everything that fails, and aborts when there is no place for it. */
static void forget(Dwarf_Debug dwarf, Dwarf_Error err) {
    if (err)
        dwarf_dealloc_error(dwarf, err);
}

struct error *type_die_open(struct types *types, uint64_t offset, struct type_die *ret) {
    Dwarf_Error failure = NULL;
    Dwarf_Die handle = NULL;
    bool in_types = offset & TYPE_DIE_IN_TYPES;
    if (types->check)
        TRY(types->check(types->check_context, offset));
    if (dwarf_offdie_b(types->dwarf, offset & ~TYPE_DIE_IN_TYPES, !in_types, &handle, &failure) !=
        DW_DLV_OK) {
        forget(types->dwarf, failure);
        return error_new(ERROR_BAD_DATA, "debug information: no DIE at 0x%" PRIx64 " of %s",
                         offset & ~TYPE_DIE_IN_TYPES, in_types ? ".debug_types" : ".debug_info");
    }
    *ret = (struct type_die){types->dwarf, handle, in_types};
    return NULL;
}

void type_die_close(struct type_die *die) {
    if (die->handle)
        dwarf_dealloc_die(die->handle);
    die->handle = NULL;
}

unsigned type_die_tag(const struct type_die *die) {
    Dwarf_Half tag = 0;
    Dwarf_Error failure = NULL;
    if (dwarf_tag(die->handle, &tag, &failure) != DW_DLV_OK)
        forget(die->dwarf, failure);
    return tag;
}

uint64_t type_die_offset(const struct type_die *die) {
    Dwarf_Off offset = 0;
    Dwarf_Error failure = NULL;
    if (dwarf_dieoffset(die->handle, &offset, &failure) != DW_DLV_OK)
        forget(die->dwarf, failure);
    return offset | (die->in_types ? TYPE_DIE_IN_TYPES : 0);
}

/* Not dwarf_CU_dieoffset_given_die(), which looks in .debug_info for units of .debug_types, too. */
uint64_t type_die_unit(const struct type_die *die) {
    Dwarf_Off global = 0, local = 0, offset = 0;
    Dwarf_Error failure = NULL;
    if (dwarf_die_offsets(die->handle, &global, &local, &failure) != DW_DLV_OK ||
        dwarf_get_cu_die_offset_given_cu_header_offset_b(die->dwarf, global - local, !die->in_types, &offset,
                                                         &failure) != DW_DLV_OK) {
        forget(die->dwarf, failure);
        return 0;
    }
    return offset | (die->in_types ? TYPE_DIE_IN_TYPES : 0);
}

static struct error *damaged_list(const struct type_die *die) {
    return error_new(ERROR_BAD_DATA, "debug information: what follows the DIE at 0x%" PRIx64 " is damaged",
                     type_die_offset(die) & ~TYPE_DIE_IN_TYPES);
}

struct error *type_die_child(const struct type_die *die, struct type_die *ret) {
    Dwarf_Error failure = NULL;
    *ret = (struct type_die){die->dwarf, NULL, die->in_types};
    int result = dwarf_child(die->handle, &ret->handle, &failure);
    if (result == DW_DLV_OK)
        return NULL;
    ret->handle = NULL;
    forget(die->dwarf, failure);
    return result == DW_DLV_NO_ENTRY ? NULL : damaged_list(die);
}

struct error *type_die_advance(struct type_die *die) {
    Dwarf_Error failure = NULL;
    Dwarf_Die next = NULL;
    uint64_t before = type_die_offset(die);
    int result = dwarf_siblingof_b(die->dwarf, die->handle, !die->in_types, &next, &failure);
    struct error *err = NULL;
    if (result != DW_DLV_OK) {
        next = NULL;
        forget(die->dwarf, failure);
        if (result != DW_DLV_NO_ENTRY)
            err = damaged_list(die);
    }
    struct type_die following = {die->dwarf, next, die->in_types};
    if (!err && next && type_die_offset(&following) <= before) { /* DW_AT_sibling that leads back: for ever */
        err = damaged_list(die);
        type_die_close(&following);
    }
    type_die_close(die);
    *die = following;
    return err;
}

/* ---- attributes ---- */

static Dwarf_Attribute get(const struct type_die *die, unsigned attribute) {
    Dwarf_Attribute ret = NULL;
    Dwarf_Error failure = NULL;
    if (dwarf_attr(die->handle, (Dwarf_Half)attribute, &ret, &failure) != DW_DLV_OK) {
        forget(die->dwarf, failure);
        return NULL;
    }
    return ret;
}

static unsigned form_of(const struct type_die *die, Dwarf_Attribute attribute) {
    Dwarf_Half form = 0;
    Dwarf_Error failure = NULL;
    if (dwarf_whatform(attribute, &form, &failure) != DW_DLV_OK)
        forget(die->dwarf, failure);
    return form;
}

bool type_die_has(const struct type_die *die, unsigned attribute) {
    Dwarf_Bool has = 0;
    Dwarf_Error failure = NULL;
    if (dwarf_hasattr(die->handle, (Dwarf_Half)attribute, &has, &failure) != DW_DLV_OK)
        forget(die->dwarf, failure);
    return has;
}

const char *type_die_string(const struct type_die *die, unsigned attribute) {
    Dwarf_Attribute found = get(die, attribute);
    char *text = NULL;
    Dwarf_Error failure = NULL;
    if (!found)
        return NULL;
    unsigned form = form_of(die, found);
    if (form == DW_FORM_GNU_strp_alt || form == DW_FORM_strp_sup) {
        text = NULL; /* in another file */
    } else if (dwarf_formstring(found, &text, &failure) != DW_DLV_OK) {
        forget(die->dwarf, failure);
        text = NULL;
    }
    dwarf_dealloc_attribute(found);
    return text;
}

bool type_die_constant(const struct type_die *die, unsigned attribute, int64_t *ret) {
    Dwarf_Attribute found = get(die, attribute);
    Dwarf_Error failure = NULL;
    Dwarf_Signed value = 0;
    Dwarf_Unsigned natural = 0;
    bool ok = false;
    if (!found)
        return false;
    switch (form_of(die, found)) {
    case DW_FORM_sdata:
    case DW_FORM_implicit_const:
        ok = dwarf_formsdata(found, &value, &failure) == DW_DLV_OK;
        break;
    case DW_FORM_data1:
    case DW_FORM_data2:
    case DW_FORM_data4:
    case DW_FORM_data8:
    case DW_FORM_udata:
        ok = dwarf_formudata(found, &natural, &failure) == DW_DLV_OK;
        value = (Dwarf_Signed)natural;
        break;
    default:
        break;
    }
    forget(die->dwarf, failure);
    dwarf_dealloc_attribute(found);
    if (ok)
        *ret = value;
    return ok;
}

bool type_die_flag(const struct type_die *die, unsigned attribute) {
    Dwarf_Attribute found = get(die, attribute);
    Dwarf_Bool value = 0;
    Dwarf_Error failure = NULL;
    if (!found)
        return false;
    if (dwarf_formflag(found, &value, &failure) != DW_DLV_OK)
        forget(die->dwarf, failure);
    dwarf_dealloc_attribute(found);
    return value;
}

bool type_die_expression(const struct type_die *die, unsigned attribute, struct type_expression *ret) {
    Dwarf_Attribute found = get(die, attribute);
    Dwarf_Error failure = NULL;
    Dwarf_Ptr bytes = NULL;
    Dwarf_Unsigned size = 0;
    bool ok = false;
    if (!found)
        return false;
    unsigned form = form_of(die, found);
    if (form == DW_FORM_exprloc) {
        ok = dwarf_formexprloc(found, &size, &bytes, &failure) == DW_DLV_OK;
    } else if (form == DW_FORM_block || form == DW_FORM_block1 || form == DW_FORM_block2 ||
               form == DW_FORM_block4) {
        Dwarf_Block *block = NULL;
        ok = dwarf_formblock(found, &block, &failure) == DW_DLV_OK;
        if (ok) {
            bytes = block->bl_data;
            size = block->bl_len;
            dwarf_dealloc(die->dwarf, block, DW_DLA_BLOCK);
        }
    }
    forget(die->dwarf, failure);
    dwarf_dealloc_attribute(found);
    if (ok)
        *ret = (struct type_expression){bytes, size};
    return ok && size;
}

static enum type_die_reference by_signature(const struct type_die *die, Dwarf_Attribute attribute,
                                            uint64_t *ret) {
    Dwarf_Sig8 signature;
    Dwarf_Error failure = NULL;
    Dwarf_Bool is_info = 0;
    struct type_die found = {die->dwarf, NULL, false};
    memset(&signature, 0, sizeof(signature));
    if (dwarf_formsig8(attribute, &signature, &failure) != DW_DLV_OK ||
        dwarf_find_die_given_sig8(die->dwarf, &signature, &found.handle, &is_info, &failure) != DW_DLV_OK) {
        forget(die->dwarf, failure);
        return REFERENCE_OTHER_FILE; /* in a file of split DWARF, perhaps */
    }
    found.in_types = !is_info;
    *ret = type_die_offset(&found);
    type_die_close(&found);
    return REFERENCE_DIE;
}

enum type_die_reference type_die_reference(const struct type_die *die, unsigned attribute, uint64_t *ret) {
    Dwarf_Attribute found = get(die, attribute);
    Dwarf_Error failure = NULL;
    Dwarf_Off offset = 0;
    enum type_die_reference kind = REFERENCE_MISSING;
    if (!found)
        return REFERENCE_NONE;
    unsigned form = form_of(die, found);
    if (form == DW_FORM_ref_sig8) {
        kind = by_signature(die, found, ret);
    } else if (form == DW_FORM_GNU_ref_alt || form == DW_FORM_ref_sup4 || form == DW_FORM_ref_sup8) {
        kind = REFERENCE_OTHER_FILE;
    } else if (dwarf_global_formref(found, &offset, &failure) == DW_DLV_OK) {
        /* DW_FORM_ref_addr counts from the start of .debug_info wherever it stands. */
        bool in_types = die->in_types && form != DW_FORM_ref_addr;
        kind = REFERENCE_DIE;
        *ret = offset | (in_types ? TYPE_DIE_IN_TYPES : 0);
    }
    forget(die->dwarf, failure);
    dwarf_dealloc_attribute(found);
    return kind;
}
