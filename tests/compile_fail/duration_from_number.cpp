// A bare number has no unit.
// error: conversion from|no viable conversion
#include "base/time.h"

laxity::Duration five() {
#ifdef FAIL
  laxity::Duration five = 5;
#else
  laxity::Duration five = std::chrono::milliseconds(5);
#endif
  return five;
}
