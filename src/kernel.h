/* SPDX-License-Identifier: MIT */
/* What the running kernel offers: one row each, asked for, never guessed from a version. */
#pragma once

#include "base.h"

struct dftio_feature {
	const char *name, *since, *use;
	bool (*present)(void);
};

extern const struct dftio_feature dftio__features[];
extern const unsigned dftio__feature_count;
