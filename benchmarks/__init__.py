"""Speed and accuracy of this library beside its peers, measured in one run (`make bench`)."""
