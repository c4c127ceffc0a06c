#include "dwarf/frame.h"

#include "base/registers.h"

#include <string.h>

/* The XSAVE area (Intel SDM volume 1, section 13.4): the legacy region is laid out as by FXSAVE, with eight
 * x87/MMX registers of 16 bytes from byte 32 and sixteen xmm from byte 160; the header at 512 begins with
 * XSTATE_BV: which components are there. The kernel gives the standard form, where the upper halves of ymm
 * begin at 576. */
#define LEGACY_ST        32
#define LEGACY_XMM       160
#define LEGACY_SIZE      512
#define HEADER_SIZE      64
#define YMM_HIGH         576
#define REGISTER_SLOT    16
#define ST_BYTES         10
#define COMPONENT_X87    (1u << 0)
#define COMPONENT_SSE    (1u << 1)
#define COMPONENT_AVX    (1u << 2)
#define GENERAL_SIZE     8
#define MMX_SIZE         8
#define FIRST_XMM        17
#define FIRST_ST         33
#define FIRST_MMX        41
#define AFTER_MMX        49
#define LARGEST_REGISTER (2 * REGISTER_SLOT)

void frame_from_user_regs(const struct user_regs_struct *regs, struct frame_registers *ret) {
    *ret = (struct frame_registers){.known = 0};
    for (size_t i = 0; i < REGISTER_COUNT; i++)
        if (registers[i].dwarf >= 0 && registers[i].dwarf < FRAME_REGISTERS)
            frame_set_register(ret, (unsigned)registers[i].dwarf, register_get(regs, i));
}

static void note_asked(const struct frame_registers *frame, unsigned number, size_t size) {
    if (!frame->log)
        return;
    if (number < 64)
        frame->log->asked |= UINT64_C(1) << number;
    frame->log->too_large |= number >= 64 || size > REGISTER_SLOT;
}

bool frame_register(const struct frame_registers *frame, unsigned number, uint64_t *ret) {
    if (number < FRAME_REGISTERS)
        note_asked(frame, number, GENERAL_SIZE);
    if (number >= FRAME_REGISTERS || !(frame->known >> number & 1))
        return false;
    *ret = frame->value[number];
    return true;
}

void frame_set_register(struct frame_registers *frame, unsigned number, uint64_t value) {
    frame->value[number] = value;
    frame->known |= 1u << number;
}

bool frame_pc(const struct frame_registers *frame, uint64_t *ret) {
    uint64_t rip;
    if (!frame_register(frame, FRAME_RIP, &rip))
        return false;
    *ret = rip - frame->is_return_address;
    return true;
}

/* Does the area hold this component? One that is not there is in its initial state: all zeros, whatever the
 * bytes say. An area without a header has the legacy components only. */
static bool has_component(const struct frame_registers *frame, uint64_t component) {
    uint64_t components;
    if (frame->xstate_size < LEGACY_SIZE + HEADER_SIZE)
        return component != COMPONENT_AVX;
    memcpy(&components, (const uint8_t *)frame->xstate + LEGACY_SIZE, sizeof(components));
    return components & component;
}

/* Copy a slot of the area to ret, zeros when its component is not there. */
static void copy_slot(const struct frame_registers *frame, size_t offset, uint64_t component, uint8_t *ret) {
    if (has_component(frame, component))
        memcpy(ret, (const uint8_t *)frame->xstate + offset, REGISTER_SLOT);
    else
        memset(ret, 0, REGISTER_SLOT);
}

/* Put a register of the area into ret; returns its size in bytes, 0 when there is no such register. */
static size_t read_xstate(const struct frame_registers *frame, unsigned number,
                          uint8_t ret[LARGEST_REGISTER]) {
    if (!frame->xstate || frame->xstate_size < LEGACY_SIZE || number < FIRST_XMM || number >= AFTER_MMX)
        return 0;
    if (number >= FIRST_ST) {
        bool mmx = number >= FIRST_MMX;
        size_t index = number - (mmx ? FIRST_MMX : FIRST_ST);
        copy_slot(frame, LEGACY_ST + index * REGISTER_SLOT, COMPONENT_X87, ret);
        memset(ret + ST_BYTES, 0, REGISTER_SLOT - ST_BYTES); /* reserved, may hold anything */
        return mmx ? MMX_SIZE : REGISTER_SLOT;
    }
    size_t offset = (number - FIRST_XMM) * (size_t)REGISTER_SLOT;
    copy_slot(frame, LEGACY_XMM + offset, COMPONENT_SSE, ret);
    if (frame->xstate_size < YMM_HIGH + REGISTER_SLOT * (FIRST_ST - FIRST_XMM))
        return REGISTER_SLOT;
    copy_slot(frame, YMM_HIGH + offset, COMPONENT_AVX, ret + REGISTER_SLOT);
    return LARGEST_REGISTER;
}

bool frame_register_bytes(const struct frame_registers *frame, unsigned number, void *ret, size_t size) {
    uint8_t bytes[LARGEST_REGISTER];
    size_t there = 0;
    uint64_t value;
    note_asked(frame, number, size);
    if (frame_register(frame, number, &value)) {
        memcpy(bytes, &value, GENERAL_SIZE);
        there = GENERAL_SIZE;
    } else {
        there = read_xstate(frame, number, bytes);
    }
    if (size > there)
        return false;
    memcpy(ret, bytes, size);
    return true;
}
