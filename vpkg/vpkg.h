/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Packages across many vservers: select, plan, pre-image, apply, check, commit or undo, report.
 */
#pragma once

#include "bootstrap/bootstrap.h"
#include "unify/unify.h"
