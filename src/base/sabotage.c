#include "base/sabotage.h"

unsigned sabotage;
