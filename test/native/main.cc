// The layers below N-API, as a plain program: what the sanitizers run, on one rank or several.
#include <cstdlib>
#include <exception>
#include <iostream>

#include "testing.h"

int main() {
  try {
    framescatter::testing::testBackoff();
    framescatter::testing::testBlockPool();
    framescatter::testing::testFrameLayout();
    framescatter::testing::testSessions();
    framescatter::testing::testDevices();
    framescatter::testing::testWorld();
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
    // The other ranks may be waiting for this one.
    std::_Exit(1);
  }
  std::cout << "native tests passed" << std::endl;
  return 0;
}
