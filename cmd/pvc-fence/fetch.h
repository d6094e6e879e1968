/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fetch: the keys in ZooKeeper that a node's agents are made of. */
#pragma once

#include "agents.h"
#include "store/store.h"

#define FETCH_KEYS 4
/* Their paths, in the order in which fetch_agents() wants the values (store_get_many()). */
int fetch_paths(const char *node, struct strlist *ret);
/* As agents_new(). */
int fetch_agents(const char *node, const struct store_value values[FETCH_KEYS], struct agents **ret, char **ret_error);
