/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * domain: what the cluster needs to know of a libvirt domain XML, without libvirt. Foreign input: no network, no
 * entities (a DOCTYPE is refused), bounded size.
 *
 * The reference's client reads every VM's XML in every list, and one that lacks an element it expects breaks the list
 * of all VMs (data model, 12). `problems` names what it would miss: such XML is refused when a VM is defined, and shown
 * as far as it goes when it is already there.
 */
#pragma once

#include "base/base.h"

#define DOMAIN_XML_MAX (512u * 1024u) /* bytes; with the VM's other keys well inside ZooKeeper's 1 MiB packets */

struct domain_xml_device {
	char *kind;   /* disk: "rbd", "file"...; interface: "bridge"... */
	char *name;   /* disk: "pool/volume" or file; interface: the bridge */
	char *detail; /* disk: the guest's device name ("vda"); interface: the MAC */
	char *model;  /* disk: the bus; interface: the model */
};
/* Absent texts are NULL, absent numbers -1. */
struct domain_xml {
	char *uuid, *name, *description;
	int64_t memory; /* MiB */
	int64_t vcpus;
	char *topology; /* "sockets/cores/threads" */
	char *type, *arch, *machine, *emulator, *console;
	struct strlist features;
	struct domain_xml_device *disks, *interfaces;
	size_t disk_count, interface_count;
	struct strlist problems; /* what must be there and is not, one sentence each */
	struct strlist warnings; /* what will work, but not with everything */
};

/* Reads what is there; -EINVAL with *ret_error when the text is not one well-formed <domain> at all, -EFBIG when it is
 * too long. `text` is UTF-8. */
int domain_xml_read(const char *text, size_t length, struct domain_xml *ret, char **ret_error);
void domain_xml_free(struct domain_xml *xml);
#define _cleanup_domain_xml_ _cleanup_(domain_xml_free)

/* Makes operator's text fit for the key: an encoding declaration goes (the reference's client cannot read a text that
 * has one), and a missing <uuid> is added after the opening tag. Everything else stays as it was written. The notes say
 * what was changed. *ret is the new text; `ret_xml` what it holds. -EINVAL with all problems in *ret_error. */
int domain_xml_prepare(const char *text, size_t length, char **ret, struct domain_xml *ret_xml, struct strlist *notes,
		       char **ret_error);
/* A name that can be a VM's: also a file name, an argument, and no UUID. NULL, or what is wrong. */
const char *domain_name_objection(const char *name);
/* Lower-case 8-4-4-4-12 hexadecimal digits. */
bool is_uuid(const char *text);
