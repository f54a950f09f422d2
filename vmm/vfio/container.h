/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_VFIO_CONTAINER_H
#define VMM_VFIO_CONTAINER_H

struct vm;

/*
 * The machine's VFIO container (type1v2): what its devices may reach by DMA, which is
 * all of guest memory. It is made with the first group, and is a listener to guest
 * memory from then on.
 */
struct vfio_container;

/*
 * Puts group @number, open on @group_fd, into the machine's container. 0 or -errno with a
 * recorded sentence that begins with @who.
 */
int vfio_container_attach(struct vm *vm, const char *who, int number, int group_fd);
/* Takes it out again. The group's devices are closed. */
void vfio_container_detach(struct vm *vm, int group_fd);
/* No group is left. Also if there never was one. */
void vfio_container_destroy(struct vm *vm);

#endif
