# openssl: AES in several modes, SHA-1, -2, -3, RSA and EC signatures; every result is deterministic or verified.
seq 1 200000 > data
for digest in md5 sha1 sha256 sha512 sha3-256 blake2b512; do openssl dgst -$digest data; done
for cipher in aes-128-cbc aes-256-ctr aes-256-cbc chacha20 camellia-128-cbc; do
  openssl enc -$cipher -K 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff -iv 0102030405060708090a0b0c0d0e0f10 -in data -out data.enc 2>/dev/null
  sha256sum < data.enc
  openssl enc -d -$cipher -K 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff -iv 0102030405060708090a0b0c0d0e0f10 -in data.enc 2>/dev/null | cmp - data && echo same
done
openssl ecparam -name prime256v1 -genkey -noout -out ec.pem
openssl ec -in ec.pem -pubout -out ec.pub 2>/dev/null
openssl dgst -sha256 -sign ec.pem -out ec.sig data
openssl dgst -sha256 -verify ec.pub -signature ec.sig data
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem 2>/dev/null
openssl pkey -in rsa.pem -pubout -out rsa.pub
openssl dgst -sha512 -sign rsa.pem -out rsa.sig data
openssl dgst -sha512 -verify rsa.pub -signature rsa.sig data
openssl genpkey -algorithm ed25519 -out ed.pem
openssl pkeyutl -sign -inkey ed.pem -rawin -in data -out ed.sig
openssl pkeyutl -verify -inkey ed.pem -rawin -in data -sigfile ed.sig
openssl prime 2147483647
