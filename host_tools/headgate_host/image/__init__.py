"""`headgate image build`: a board's disk image from Debian's packages and a wheel of Headgate."""
