/* Handles of libdwarf. It is given the sections as debug_file has checked and unpacked them, so that its own
 * parsing of ELF files, the part most often broken by damaged files, never runs. */
#include "dwarf/die.h"
#include "dwarf/module_private.h"

#include <elf.h>
#include <libdwarf/libdwarf.h>
#include <stdio.h>
#include <stdlib.h>

/* Section 0 is the empty one of every ELF file. */
struct handle {
    Dwarf_Obj_Access_Interface interface;
    struct debug_file *file;
    Dwarf_Debug dwarf;
    char names[DEBUG_SECTION_COUNT][32];
};

/* These lists are read by dwarf/list.c alone. libdwarf would look through all of them before anything else,
 * and frees twice what it has read of damaged ones (20210528). */
static bool is_hidden(size_t section) {
    return section == DEBUG_RNGLISTS || section == DEBUG_LOCLISTS;
}

static int get_section_info(void *object, Dwarf_Half index, Dwarf_Obj_Access_Section *ret, int *ret_error) {
    struct handle *handle = object;
    (void)ret_error;
    *ret = (Dwarf_Obj_Access_Section){.name = ""};
    if (index == 0)
        return DW_DLV_OK;
    if (index > DEBUG_SECTION_COUNT)
        return DW_DLV_NO_ENTRY;
    ret->size = is_hidden(index - 1u) ? 0 : debug_file_section(handle->file, index - 1).size;
    if (!ret->size) /* libdwarf takes an empty section for an error, and a nameless one for none */
        return DW_DLV_OK;
    ret->name = handle->names[index - 1];
    ret->type = SHT_PROGBITS;
    return DW_DLV_OK;
}

static Dwarf_Endianness get_byte_order(void *object) {
    (void)object;
    return DW_OBJECT_LSB;
}

static Dwarf_Small get_size(void *object) {
    (void)object;
    return 8;
}

static Dwarf_Unsigned get_section_count(void *object) {
    (void)object;
    return DEBUG_SECTION_COUNT + 1;
}

static int load_section(void *object, Dwarf_Half index, Dwarf_Small **ret, int *ret_error) {
    struct handle *handle = object;
    (void)ret_error;
    if (index == 0 || index > DEBUG_SECTION_COUNT)
        return DW_DLV_NO_ENTRY;
    *ret = (Dwarf_Small *)debug_file_section(handle->file, index - 1).data;
    return DW_DLV_OK;
}

static const Dwarf_Obj_Access_Methods methods = {
    .get_section_info = get_section_info,
    .get_byte_order = get_byte_order,
    .get_length_size = get_size,
    .get_pointer_size = get_size,
    .get_section_count = get_section_count,
    .load_section = load_section,
};

static struct handle *handle_open(struct debug_file *file) {
    struct handle *handle = calloc(1, sizeof(*handle));
    if (!handle)
        return NULL;
    handle->file = file;
    handle->interface = (Dwarf_Obj_Access_Interface){handle, &methods};
    for (size_t i = 0; i < DEBUG_SECTION_COUNT; i++)
        snprintf(handle->names[i], sizeof(handle->names[i]), ".debug_%s%s", debug_section_name(i),
                 file->dwo && i != DEBUG_CU_INDEX && i != DEBUG_TU_INDEX ? ".dwo" : "");
    Dwarf_Error error = NULL;
    if (dwarf_object_init_b(&handle->interface, NULL, NULL, DW_GROUPNUMBER_ANY, &handle->dwarf, &error) ==
        DW_DLV_OK)
        return handle;
    module_set_problem(file->module, error_new(ERROR_BAD_DATA, "%s: %s", file->path,
                                               error ? dwarf_errmsg(error) : "libdwarf cannot read it"));
    free(handle);
    return NULL;
}

void handle_close(struct debug_file *file) {
    Dwarf_Error error = NULL;
    if (file->handle)
        dwarf_object_finish(file->handle->dwarf, &error);
    free(file->handle);
    file->handle = NULL;
}

struct Dwarf_Debug_s *module_file_dwarf(struct module *module, const struct debug_file *constant) {
    struct debug_file *file = (struct debug_file *)constant; /* it is the module's */
    if (!file->handle_tried && debug_file_section(file, DEBUG_INFO).size &&
        debug_file_section(file, DEBUG_ABBREV).size) {
        file->handle = handle_open(file);
        /* What a .dwo has to say about addresses stands in the file that it was split from. */
        if (file->handle && file->dwo && module->debug && module_dwarf(module))
            dwarf_set_tied_dbg(file->handle->dwarf, module_dwarf(module), NULL);
    }
    file->handle_tried = true;
    return file->handle ? file->handle->dwarf : NULL;
}

struct Dwarf_Debug_s *module_dwarf(struct module *module) {
    return module->debug ? module_file_dwarf(module, module->debug) : NULL;
}
