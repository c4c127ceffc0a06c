#include "tracer/agent_image.h"

/* AGENT_BLOB: path of the linked image, from the Makefile. */
__asm__(".pushsection .rodata\n"
        ".balign 16\n"
        "reel_agent_image: .incbin \"" AGENT_BLOB "\"\n"
        "reel_agent_image_end:\n"
        ".popsection\n");

extern const uint8_t reel_agent_image[], reel_agent_image_end[];

const struct agent_image *agent_image(size_t *ret_size) {
    *ret_size = (size_t)((uintptr_t)reel_agent_image_end - (uintptr_t)reel_agent_image);
    return (const struct agent_image *)(const void *)reel_agent_image;
}
