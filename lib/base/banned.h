/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Included before every file: functions that this project does not use are compile errors. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#pragma GCC poison system popen strcpy strcat sprintf vsprintf gets atoi atol atof strtok tmpnam mktemp sleep usleep
