"""One file per published system: the effect that its paper claims, reproduced small."""
