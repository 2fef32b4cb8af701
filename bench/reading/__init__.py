"""What `bench.extraction` compares: real files, what is true of them, and the libraries that read them."""
